"""When a source is silent: by its own rhythm, whatever that is, and seldom by chance."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.core.rhythm import DAY_HOURS, HOUR_S, WEEK_HOURS, Health, Rhythm, expected, judge, rhythm_of, surprise

WEEKS = 8
HOURS = np.arange(WEEKS * WEEK_HOURS)


def learnt(counts: np.ndarray, *, weeks: int = WEEKS) -> Rhythm:
    hours = np.arange(len(counts))
    rhythm = rhythm_of(hours, counts, first_hour=0, until_hour=weeks * WEEK_HOURS)
    assert rhythm is not None
    return rhythm


def shop(hour: np.ndarray) -> np.ndarray:
    """Events that a shop brings: 9 to 20 o'clock, but on one day of the week nothing."""
    open_ = (hour % DAY_HOURS >= 9) & (hour % DAY_HOURS < 20) & (hour % WEEK_HOURS // DAY_HOURS != 3)
    return np.where(open_, 120, 0)


def health_after(rhythm: Rhythm, *, last_h: float, silent_h: float, came: int = 10_000) -> Health:
    last_s = last_h * HOUR_S
    now_s = last_s + silent_h * HOUR_S
    return judge(rhythm, last_s=last_s, now_s=now_s, came=came, since_s=now_s - DAY_HOURS * HOUR_S)


END_H = WEEKS * WEEK_HOURS
"""The end of the past: the first hour of a week."""


def test_nobody_knows_a_rhythm_before_a_week_is_over() -> None:
    hours = np.arange(WEEK_HOURS - 1)

    assert rhythm_of(hours, np.full(len(hours), 5), first_hour=0, until_hour=len(hours)) is None
    assert rhythm_of(hours, np.zeros(len(hours), dtype=np.int64), first_hour=0, until_hour=WEEK_HOURS) is None
    assert judge(None, last_s=0, now_s=1e9, came=0, since_s=1e9 - 1) is Health.OK


def test_an_hour_of_the_week_brings_what_it_brought_in_the_weeks_before() -> None:
    counts = shop(HOURS)
    counts[(HOURS % WEEK_HOURS == 10) & (HOURS >= 4 * WEEK_HOURS)] = 60  # of late only half

    rhythm = learnt(counts)

    assert expected(rhythm, from_s=(END_H + 10) * HOUR_S, until_s=(END_H + 11) * HOUR_S) == pytest.approx(90)
    assert expected(rhythm, from_s=(END_H + 11.5) * HOUR_S, until_s=(END_H + 12) * HOUR_S) == pytest.approx(60)
    assert expected(rhythm, from_s=(END_H + 72) * HOUR_S, until_s=(END_H + 96) * HOUR_S) == 0


@given(start=st.floats(0, 400), lengths=st.lists(st.floats(0, 300), min_size=1, max_size=4))
def test_what_parts_of_a_span_bring_adds_up(start: float, lengths: list[float]) -> None:
    rhythm = learnt(shop(HOURS))
    ends = np.cumsum([start, *lengths]) * HOUR_S

    parts = sum(expected(rhythm, from_s=one, until_s=other) for one, other in pairwise(ends))

    assert parts == pytest.approx(expected(rhythm, from_s=ends[0], until_s=ends[-1]), abs=1e-6)


def test_a_shop_is_silent_when_it_is_open_and_nothing_comes_and_not_at_night_or_on_its_day_off() -> None:
    rhythm = learnt(shop(HOURS))
    closing, day_off = END_H + 20, END_H + 3 * DAY_HOURS

    assert health_after(rhythm, last_h=END_H + 12, silent_h=0.1) is Health.OK
    assert health_after(rhythm, last_h=END_H + 12, silent_h=1.5) is Health.SILENT
    assert health_after(rhythm, last_h=closing, silent_h=12.9) is Health.OK
    assert health_after(rhythm, last_h=closing, silent_h=15) is Health.SILENT
    assert health_after(rhythm, last_h=day_off - 4, silent_h=36, came=0) is Health.OK
    assert health_after(rhythm, last_h=day_off - 4, silent_h=40, came=0) is Health.SILENT


def test_clocks_that_are_put_back_are_no_silence() -> None:
    rhythm = learnt(shop(HOURS))

    assert health_after(rhythm, last_h=END_H + 20, silent_h=13.95) is Health.OK  # it opens at 10 of the former clock


def test_a_job_of_every_night_is_silent_once_it_is_missed() -> None:
    counts = np.where(HOURS % DAY_HOURS == 2, 5_000, 0)
    rhythm = learnt(counts)

    assert health_after(rhythm, last_h=END_H + 2.5, silent_h=24) is Health.OK
    assert health_after(rhythm, last_h=END_H + 2.5, silent_h=27) is Health.SILENT


def test_who_sends_once_a_day_is_not_silent_for_a_week() -> None:
    random = np.random.default_rng(1)
    rhythm = learnt(random.poisson(1 / DAY_HOURS, len(HOURS)))

    assert health_after(rhythm, last_h=END_H, silent_h=4 * DAY_HOURS) is not Health.SILENT
    assert health_after(rhythm, last_h=END_H, silent_h=30 * DAY_HOURS) is Health.SILENT


def test_one_week_tells_less_than_eight() -> None:
    counts = np.full(len(HOURS), 3)
    one, eight = learnt(counts[:WEEK_HOURS], weeks=1), learnt(counts)

    assert surprise(one, came=0, due=20) < surprise(eight, came=0, due=20) < 20
    assert surprise(eight, came=0, due=20) > 18


def test_events_that_come_in_heaps_are_waited_for_longer() -> None:
    random = np.random.default_rng(2)
    even = random.poisson(10, len(HOURS))
    heaps = 100 * random.poisson(0.1, len(HOURS))

    assert learnt(even).bunch < 1.2
    assert learnt(heaps).bunch > 50
    assert health_after(learnt(even), last_h=END_H, silent_h=6) is Health.SILENT
    assert health_after(learnt(heaps), last_h=END_H, silent_h=6) is Health.OK


def test_a_single_flood_does_not_make_a_source_deaf() -> None:
    counts = np.full(len(HOURS), 30)
    counts[500] = 1_000_000

    assert health_after(learnt(counts), last_h=END_H, silent_h=12) is Health.SILENT


def test_a_source_that_sends_a_tenth_is_quiet() -> None:
    rhythm = learnt(np.full(len(HOURS), 30))

    assert health_after(rhythm, last_h=END_H, silent_h=0, came=72) is Health.QUIET
    assert health_after(rhythm, last_h=END_H, silent_h=0, came=690) is Health.OK
    assert health_after(rhythm, last_h=END_H, silent_h=0, came=5_000) is Health.OK


@example(due=2.0, came=5e-324, more=0.0)
@given(due=st.floats(0.01, 1e6), came=st.floats(0, 1e6), more=st.floats(0, 1e5))
def test_the_fewer_came_and_the_more_were_due_the_greater_the_surprise(due: float, came: float, more: float) -> None:
    rhythm = learnt(np.full(len(HOURS), 7))

    this = surprise(rhythm, came=came, due=due)

    assert 0 <= this < math.inf
    assert surprise(rhythm, came=came + more, due=due) <= this + 1e-8 * max(1, this)
    assert surprise(rhythm, came=came, due=due + more) >= this - 1e-8 * max(1, this)


@pytest.mark.parametrize("a_day", [1, 20, 1_000])
def test_a_source_that_is_well_is_hardly_ever_called_silent(a_day: int) -> None:
    """Five years by chance alone: a silence that brings less than one alarm in ten years brings at most a few here."""
    random = np.random.default_rng(a_day)
    rhythm = learnt(random.poisson(a_day / DAY_HOURS, len(HOURS)))
    gaps_h = random.exponential(DAY_HOURS / a_day, 5 * 365 * a_day)

    longest = np.sort(gaps_h)[-200:]
    alarms = sum(health_after(rhythm, last_h=END_H, silent_h=gap) is Health.SILENT for gap in longest)

    assert alarms <= 3
