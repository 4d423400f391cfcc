"""How sources are: what they have sent of late, against what they usually send at such hours."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

import asyncpg
import numpy as np

from services.core.rhythm import DAY_HOURS, HOUR_S, WEEK_HOURS, WEEKS_MAX, Health, expected, judge, rhythm_of
from services.state.pool import Statements
from services.state.source_notes import SOURCES_MAX

CLOCK_WRONG_MS: Final = 60_000
"""Past this a till's clock is told: a receipt's minute is then wrong, and no network takes so long."""

TROUBLES_MAX: Final = 20
HOLES_MAX: Final = 5
"""Told one by one; the counts are of all."""

WAITING_MAX: Final = 10_000
"""Notes that wait: a worker folds so many within a minute."""


class Day(NamedTuple):
    """What came within the last 24 hours: this hour and the 23 before it."""

    live: int
    """Events that were not older than a day."""
    late: int
    """Events that were: their number says nothing of the present."""
    rejected: int
    timed: int
    """Events that said when they were sent."""
    ahead: int
    """Of these, by a clock that is surely ahead."""
    clock_ms: int | None
    """The least that lay between sending and arriving; below zero the clock is ahead by so much or more."""

    @property
    def rejected_share(self) -> float | None:
        """Of all that came; None when nothing did."""
        came = self.live + self.late + self.rejected
        return self.rejected / came if came else None


NOTHING: Final = Day(0, 0, 0, 0, 0, None)


class SourceHealth(NamedTuple):
    """How one source is."""

    source: str
    first_at: datetime | None
    """When its first event came; None when none did."""
    last_at: datetime | None
    day: Day
    expected: float | None
    """Live events that 24 hours like these usually bring; None in the first week."""
    health: Health


class UnknownName(NamedTuple):
    """A touchpoint that a source sent and that was not declared then."""

    source: str
    touchpoint: str
    events: int
    last_at: datetime


class TillTotals(NamedTuple):
    """The tills of one source in the last seven business days."""

    source: str
    tills: int
    missing: int
    """Numbers between the first and the last of a day that never came."""
    clock_ms: int | None
    """Of the till whose clock is most wrong, on its last day: see Day."""


class TillTrouble(NamedTuple):
    """What is wrong with a till's day."""

    till: str
    """source/store/till"""
    day: date
    missing: int
    crowded: bool
    """Its numbers jump about so that not all of them were kept."""
    clock_ms: int | None
    """None unless it is wrong."""
    holes: Sequence[str]
    """The first runs of missing numbers."""


class SourceTables:
    """The statements of `source_seen`, `source_hour`, `unknown_name` and `till_day`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def health(self, *, now: datetime) -> list[SourceHealth]:
        """Tell of every source that was heard of, in the order of their names."""
        now_hour = int(now.timestamp()) // HOUR_S
        first_hour, day_hour = now_hour - WEEKS_MAX * WEEK_HOURS, now_hour - DAY_HOURS + 1
        rows = await self._say.rows("sources_heard", first_hour, day_hour, SOURCES_MAX)
        return [_health(row, now=now, first_hour=first_hour, day_hour=day_hour) for row in rows]

    async def last_events(self) -> Mapping[str, datetime]:
        """Tell when the last event of each source came of which any did."""
        return {row["source"]: row["last_at"] for row in await self._say.rows("last_events", SOURCES_MAX)}

    async def of_identities(self, identities: Sequence[int], *, since: datetime, newest: int) -> Mapping[str, int]:
        """Tell which sources brought the newest events of these identities, and how many of them each."""
        rows = await self._say.rows("sources_of", list(identities), since, newest)
        return {row["source"]: row["events"] for row in rows}

    async def unknown_names(self, *, declared: Collection[str]) -> list[UnknownName]:
        """Touchpoints that are not declared to this day, the most frequent first."""
        found = [UnknownName(*row) for row in await self._say.rows("unknown_names")]
        return [one for one in found if one.touchpoint not in declared]

    async def till_totals(self) -> list[TillTotals]:
        """Tell of the tills of each source."""
        return [TillTotals(*row) for row in await self._say.rows("till_totals")]

    async def till_troubles(self) -> list[TillTrouble]:
        """Days of tills with missing numbers or a wrong clock, those that miss most first."""
        return [
            TillTrouble(*row) for row in await self._say.rows("till_troubles", CLOCK_WRONG_MS, TROUBLES_MAX, HOLES_MAX)
        ]

    async def notes_waiting(self) -> int:
        """How many notes no worker has folded, up to WAITING_MAX."""
        return int(await self._say.value("notes_waiting", WAITING_MAX))


def unheard(source: str) -> SourceHealth:
    """Tell of a source of which nothing ever came."""
    return SourceHealth(source, None, None, NOTHING, None, Health.NEVER)


def _health(row: asyncpg.Record, *, now: datetime, first_hour: int, day_hour: int) -> SourceHealth:
    source, first_at, last_at, hours, counts, *day = row
    told = SourceHealth(source, first_at, last_at, Day(*day), None, Health.NEVER)
    if first_at is None or last_at is None:
        return told
    last_s, now_s, day_s = last_at.timestamp(), now.timestamp(), float(day_hour * HOUR_S)
    # Of the past before the last event: a silence must not become the rhythm. The hours at its ends are not whole.
    rhythm = rhythm_of(
        np.array(hours, dtype=np.int64),
        np.array(counts, dtype=np.int64),
        first_hour=max(first_hour, int(first_at.timestamp()) // HOUR_S + 1),
        until_hour=int(last_s) // HOUR_S,
    )
    health = judge(rhythm, last_s=last_s, now_s=now_s, came=told.day.live, since_s=day_s)
    due = None if rhythm is None else expected(rhythm, from_s=day_s, until_s=now_s)
    return told._replace(expected=due, health=health)
