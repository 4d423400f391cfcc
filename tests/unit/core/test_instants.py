"""Instants are read and written as RFC 3339 has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.instants import instant_of, micros_of, parse_instant, write_instant


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
        ("2026-03-01t12:00:00z", "2026-03-01T12:00:00Z"),
        ("2026-03-01 12:00:00Z", "2026-03-01T12:00:00Z"),
        ("2026-03-01T13:00:00+01:00", "2026-03-01T12:00:00Z"),
        ("2026-03-01T06:30:00-05:30", "2026-03-01T12:00:00Z"),
        ("2026-03-01T12:00:00.5Z", "2026-03-01T12:00:00.500000Z"),
        ("2026-03-01T12:00:00.123456789Z", "2026-03-01T12:00:00.123456Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_an_instant_is_read_whatever_its_offset_and_written_in_utc(text: str, written: str) -> None:
    assert write_instant(parse_instant(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-03-01",
        "2026-03-01T12:00:00",
        "2026-03-01_12:00:00Z",
        "2026-03-01  12:00:00Z",
        "2026-03-01T12:00Z",
        "2026-03-01T12:00:00+0100",
        "2026-03-01T12:00:00.Z",
        "2026-03-01T12:00:00.1234567890Z",
        "2026-02-29T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T12:60:00Z",
        "2026-03-01T12:00:61Z",
        "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00+01:60",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "9999-12-31T23:59:60Z",
        "\uff12\uff10\uff12\uff16-03-01T12:00:00Z",
        "2026-03-01T12:00:00Z\n",
    ],
)
def test_what_is_no_instant_is_refused_with_what_to_send(text: str) -> None:
    with pytest.raises(ValueError, match="must be an"):
        parse_instant(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_writing_and_reading_an_instant_loses_nothing(moment: datetime) -> None:
    assert parse_instant(write_instant(moment)) == moment


@given(st.datetimes(min_value=datetime(1000, 1, 1)), st.integers(-1439, 1439))  # noqa: DTZ001 - hypothesis wants it naive
def test_an_offset_changes_the_writing_and_not_the_instant(local: datetime, minutes: int) -> None:
    sign = "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    try:
        expected = local.replace(tzinfo=UTC) - timedelta(minutes=minutes)
    except OverflowError:
        return

    assert parse_instant(f"{local.isoformat()}{offset}") == expected


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00.5+01:00", 500_000),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000_000),
    ],
)
def test_an_instant_counts_microseconds_whatever_its_offset(text: str, us: int) -> None:
    assert micros_of(parse_instant(text)) == us
    assert instant_of(us) == parse_instant(text)
