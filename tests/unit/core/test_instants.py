"""Promised times are RFC 3339 with an offset, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from services.core.valence import instant_us


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20",
        "2026-11-20T18:00:00",
        "2026-11-20T18:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-20T18:00:60Z",
        "2026-11-20T18:00:00+25:00",
        "0000-01-01T00:00:00Z",
        "\uff12\uff10\uff12\uff16-11-20T18:00:00Z",
        "2026-W47-5T18:00:00Z",
        " 2026-11-20T18:00:00Z",
        "",
        None,
        1_795_000_000,
    ],
)
def test_what_is_no_rfc_3339_time_is_no_instant(text: object) -> None:
    assert instant_us(text) is None


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00.5+01:00", 500_000),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1970-01-01 00:00:01.1234567891Z", 1_123_456),
        ("9999-12-31T23:59:59-23:59", 253_402_387_139_000_000),
    ],
)
def test_an_instant_counts_microseconds_whatever_its_offset(text: str, us: int) -> None:
    assert instant_us(text) == us
