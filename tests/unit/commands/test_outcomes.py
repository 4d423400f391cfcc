"""A file of outcomes: every wrong line is named with its fix."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.commands.outcomes import Outcome, read_outcomes
from services.infra.errors import ConfigurationError

GOOD = "customer,time,bad\nc-1,2026-06-01T12:00:00Z,yes\nemail:a@b.example,2026-06-01T14:00:00+02:00,0\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "outcomes.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_outcomes_are_read_whatever_the_order_of_their_columns(tmp_path: Path) -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    turned = (
        "\ufeffBad,note,Customer,Time\nTRUE,x,c-1,2026-06-01T12:00:00Z\n\nno,,email:a@b.example,2026-06-01T12:00:00Z\n"
    )

    wanted = [("customer:c-1", noon, True), ("email:a@b.example", noon, False)]
    assert read_outcomes(written(tmp_path, GOOD)) == [
        Outcome(*one, line) for one, line in zip(wanted, (2, 3), strict=True)
    ]
    assert read_outcomes(written(tmp_path, turned)) == [
        Outcome(*one, line) for one, line in zip(wanted, (2, 4), strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r":1: lacks customer, time, bad; the first line must name customer,time,bad"),
        ("customer,when,bad\n", r":1: lacks time"),
        (GOOD + ",2026-06-01T12:00:00Z,no\n", r":4: customer: is empty; write kind:value"),
        (GOOD + "c-2,yesterday,no\n", r":4: time: must be an RFC 3339 time"),
        (GOOD + "c-2,1926-06-01T12:00:00Z,no\n", r":4: time: is before 1970, .*; check the year"),
        (GOOD + "c-2,2026-06-01T12:00:00Z,maybe\n", r":4: bad: must be yes or no"),
        (GOOD + "c-2\n", r":4: time: must be"),
        (GOOD + "c-1,2026-06-01T12:00:00Z,no\n", r":4: the same customer and time stand twice; keep one"),
        ("customer,time,bad\nc-1,2026-06-01T12:00:00Z,yes\n", r"every outcome has the same `bad`"),
        ("customer,time,bad\n", r"every outcome has the same `bad`|outcomes of both kinds"),
    ],
)
def test_a_wrong_line_is_named_with_its_fix(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=says):
        read_outcomes(written(tmp_path, text))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bytes.csv").write_bytes(b"customer,time,bad\n\xff\xfe")

    for path in (tmp_path / "nothing.csv", tmp_path / "bytes.csv"):
        with pytest.raises(ConfigurationError, match="name a CSV in UTF-8"):
            read_outcomes(path)
