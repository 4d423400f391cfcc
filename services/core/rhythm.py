"""When a source usually sends: what each hour of the week brings, and how unlikely a silence is. Pure."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

HOUR_S: Final = 3600
DAY_HOURS: Final = 24
WEEK_HOURS: Final = 7 * DAY_HOURS
YEAR_HOURS: Final = 8766

WEEKS_MAX: Final = 8
"""Of the past that a rhythm is learned from: enough to tell a habit from chance, and a season is forgotten after two months."""

YEARS: Final = 10
"""What chance alone would bring less than once in so many years is told; with twenty sources that is two false alarms a year."""

SILENT_MIN_S: Final = 600
"""Whatever the rhythm says: a deployment, or our own restart, takes minutes."""

BURST_MAX: Final = 10
"""An hour above so many times the usual one in which anything came is somebody who catches up: no part of the rhythm."""

SHIFT_H: Final = 1
"""By how much a rhythm may be displaced: shops open by a clock that is put back and forward, and a job starts late."""


class Health(StrEnum):
    """How a source is."""

    OK = "ok"
    QUIET = "quiet"
    """It sends much less than it does at such hours."""
    SILENT = "silent"
    """Nothing has come for so long that it is no chance."""
    NEVER = "never"
    """Nothing has come at all."""


class Rhythm(NamedTuple):
    """What a source's past says of its hours."""

    hourly: Floats
    """Events to be expected, by hour of the week: hours since 1970, modulo 168."""
    weeks: float
    """How long the past is."""
    events: float
    """How many there were in it."""
    bunch: float
    """How many come together, 1 or more: the variance of hours over their mean, which is 1 when each comes by itself."""

    @property
    def bunches_a_year(self) -> float:
        """How often a silence begins."""
        return float(self.hourly.sum()) / WEEK_HOURS * YEAR_HOURS / self.bunch


def rhythm_of(hours: Integers, counts: Integers, *, first_hour: int, until_hour: int) -> Rhythm | None:
    """Learn from the whole hours [first_hour, until_hour), since 1970; hours that are not given brought nothing.

    None while the past is shorter than a week, for nobody knows of Sundays before the first, and when nothing came.
    """
    length = until_hour - first_hour
    inside = (hours >= first_hour) & (hours < until_hour) & (counts > 0)
    if length < WEEK_HOURS or not inside.any():
        return None
    heard = counts[inside].astype(np.float64)
    past = np.zeros(length)
    past[hours[inside] - first_hour] = np.minimum(heard, BURST_MAX * np.median(heard))
    every = np.arange(first_hour, until_hour)
    hourly = _means(past, every % WEEK_HOURS, WEEK_HOURS)
    return Rhythm(hourly, length / WEEK_HOURS, float(past.sum()), _bunch(past, every, hourly))


def expected(rhythm: Rhythm, *, from_s: float, until_s: float) -> float:
    """Tell how many events a span brings, in seconds since 1970; every hour brings its own evenly."""
    return _brought(rhythm.hourly, from_s=from_s, until_s=until_s)


def at_least(rhythm: Rhythm, *, from_s: float, until_s: float) -> float:
    """Tell how many events a span brings even when the rhythm is displaced by an hour.

    Two readings, both true then: each hour as its least neighbour, which sees the day's middle at once and no job of one
    hour; and the span without its ends, which sees every job that it surely held.
    """
    hourly, edge_s = rhythm.hourly, SHIFT_H * HOUR_S
    least = np.minimum.reduce([np.roll(hourly, shift) for shift in range(-SHIFT_H, SHIFT_H + 1)])
    inside = _brought(hourly, from_s=from_s + edge_s, until_s=max(until_s - edge_s, from_s + edge_s))
    return max(_brought(least, from_s=from_s, until_s=until_s), inside)


def judge(rhythm: Rhythm | None, *, last_s: float, now_s: float, came: int, since_s: float) -> Health:
    """Judge a source by its last event, and by how many `came` since `since_s`; without a rhythm all is well."""
    if rhythm is None:
        return Health.OK
    if now_s - last_s > SILENT_MIN_S:
        missing = at_least(rhythm, from_s=last_s, until_s=now_s)
        if _unlikely(rhythm, came=0, due=missing, a_year=rhythm.bunches_a_year):
            return Health.SILENT
    due = at_least(rhythm, from_s=since_s, until_s=now_s)
    # The span is a day or so: as many of them are in a year.
    return Health.QUIET if _unlikely(rhythm, came=came, due=due, a_year=YEAR_HOURS / DAY_HOURS) else Health.OK


def surprise(rhythm: Rhythm, *, came: float, due: float) -> float:
    """Return −ln of a bound on the chance that so few come where so many were due; 0 when it is not few.

    Chernoff's bound for a rate that is itself known only from the past (a negative binomial): of the same hours of all
    weeks, and no better than all of the past tells. Events that come together count as one.
    """
    few, many = came / rhythm.bunch, due / rhythm.bunch
    if few >= many:
        return 0.0
    known = min(rhythm.weeks * many, rhythm.events / rhythm.bunch)
    # The logarithms apart: the quotient of the smallest numbers is 0, and has none.
    fewer = few * (math.log(few) - math.log(many)) if few else 0.0
    return fewer - (few + known) * math.log((few + known) / (many + known))


def _unlikely(rhythm: Rhythm, *, came: int, due: float, a_year: float) -> bool:
    """Whether chance alone brings it less than once in some years, with so many occasions in each."""
    return surprise(rhythm, came=came, due=due) > math.log(max(a_year, 1.0) * YEARS)


def _brought(hourly: Floats, *, from_s: float, until_s: float) -> float:
    return _until(hourly, until_s / HOUR_S) - _until(hourly, from_s / HOUR_S)


def _until(hourly: Floats, hour: float) -> float:
    """Events since 1970, had the rhythm been the same ever since."""
    weeks, rest = divmod(hour, WEEK_HOURS)
    whole = int(rest)
    return weeks * float(hourly.sum()) + float(hourly[:whole].sum()) + float(hourly[whole]) * (rest - whole)


def _bunch(past: Floats, every: Integers, hourly: Floats) -> float:
    """The variance of hours over their mean, freed of what the means were fitted to themselves.

    A single week fits itself exactly, so it is measured against the hours of a day.
    """
    weeks = len(past) / WEEK_HOURS
    fitted, repeats = hourly[every % WEEK_HOURS], weeks
    if weeks < 2:  # noqa: PLR2004 - the first number of which there is a variance
        fitted, repeats = _means(past, every % DAY_HOURS, DAY_HOURS)[every % DAY_HOURS], len(past) / DAY_HOURS
    ratio = float(((past - fitted) ** 2).sum() / past.sum())
    return max(1.0, ratio * repeats / (repeats - 1))


def _means(past: Floats, places: Integers, count: int) -> Floats:
    sums = np.bincount(places, weights=past, minlength=count)
    return np.asarray(sums / np.bincount(places, minlength=count), dtype=np.float64)
