from __future__ import annotations

import pytest

from services.till.clock import ClockError, clock_error, in_words

DATE = "Sun, 01 Mar 2026 10:40:00 GMT"
DATED_S = 1772361600.0


def test_the_clock_is_compared_in_the_middle_of_the_way_and_of_the_second() -> None:
    error = clock_error(DATE, sent_at_s=DATED_S + 100, took_s=3.0)

    assert error == ClockError(ahead_s=101.0, within_s=2.0)


@pytest.mark.parametrize(
    ("ahead_s", "within_s", "matters"),
    [(0.4, 0.5, False), (2.4, 0.5, False), (2.6, 0.5, True), (-90.0, 1.0, True), (20.0, 30.0, False)],
)
def test_only_what_is_surely_wrong_is_told(ahead_s: float, within_s: float, matters: bool) -> None:  # noqa: FBT001
    assert ClockError(ahead_s, within_s).matters is matters


@pytest.mark.parametrize("date", [None, "", "yesterday", "Sun, 99 Mar 2026 99:00:00 GMT", "1772361600"])
def test_no_date_tells_nothing(date: str | None) -> None:
    assert clock_error(date, sent_at_s=0, took_s=0) is None


def test_people_hear_it_in_seconds() -> None:
    assert in_words(ClockError(93.2, 1)) == "93 s ahead"
    assert in_words(ClockError(-93.2, 1)) == "93 s behind"
