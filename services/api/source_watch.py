"""Watch the sources: show how each is, and know which are silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from services.core.instants import instant_of
from services.core.rhythm import Health
from services.infra import metrics
from services.infra.clock import Clock
from services.infra.errors import UnavailableError
from services.infra.sources import Source, Sources
from services.state.database import ReadDatabase
from services.state.source_health import SourceHealth, TillTotals, unheard

EVERY_S: Final = 30.0
"""A silence is told after ten minutes at the soonest; the question takes some milliseconds a source."""

AGAIN_S: Final = 2.0
"""While the database is away: as often as it is asked whether it is back."""

MS: Final = 1000


class SourceWatch:
    """Knows which of the configured sources are silent, as of half a minute ago."""

    def __init__(self, database: ReadDatabase, sources: Callable[[], Sources], clock: Clock) -> None:
        self._database = database
        self._sources = sources
        self._clock = clock
        self._silent: frozenset[str] = frozenset()

    def silent(self) -> frozenset[str]:
        """The names of sources that would have sent by their own rhythm, and have not."""
        return self._silent

    async def run(self) -> None:
        """Look again and again; ends only when cancelled."""
        while True:
            seen = await self.look()
            await asyncio.sleep(EVERY_S if seen else AGAIN_S)

    async def look(self) -> bool:
        """Look once; False while the database is away: what was seen last holds, and another task says so."""
        now = instant_of(self._clock.now_us())
        try:
            async with self._database.snapshot() as snapshot:
                heard = await snapshot.sources.health(now=now)
                tills = await snapshot.sources.till_totals()
        except UnavailableError:
            return False
        configured = self._sources().configured
        health = configured_health(configured, heard)
        self._silent = frozenset(one.source for one in health if one.health is Health.SILENT)
        show(configured, health, tills, now=now)
        return True


def configured_health(configured: Mapping[str, Source], heard: Sequence[SourceHealth]) -> list[SourceHealth]:
    """Of each configured source how it is, whether anything was heard of it or not."""
    by_name = {one.source: one for one in heard}
    return [by_name.get(name) or unheard(name) for name in configured]


def show(
    configured: Mapping[str, Source], health: Sequence[SourceHealth], tills: Sequence[TillTotals], *, now: datetime
) -> None:
    """Set the gauges of the first sources; what is not configured any more is not shown."""
    shown = health[: metrics.SOURCES_SHOWN_MAX]
    names = {one.source for one in shown}
    mine = [one for one in tills if one.source in names]
    metrics.SOURCE_LAST_EVENT.set({one.source: _since_1970(one.last_at) for one in shown})
    metrics.SOURCE_SILENT_SECONDS.set({one.source: _silent_s(one, now) for one in shown})
    metrics.SOURCE_DAY_EVENTS.set({one.source: one.day.live for one in shown})
    metrics.SOURCE_DAY_EXPECTED.set({one.source: one.expected for one in shown if one.expected is not None})
    metrics.SOURCE_DAY_REJECTED.set({one.source: one.day.rejected for one in shown})
    metrics.SOURCE_CLOCK_SECONDS.set(
        {
            one.source: one.day.clock_ms / MS
            for one in shown
            # Behind a page's key are as many clocks as visitors.
            if one.day.clock_ms is not None and configured[one.source].kind != "browser"
        }
    )
    metrics.TILLS_MISSING.set({one.source: one.missing for one in mine})
    metrics.TILLS_CLOCK_SECONDS.set({one.source: one.clock_ms / MS for one in mine if one.clock_ms is not None})


def _since_1970(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()


def _silent_s(one: SourceHealth, now: datetime) -> float:
    if one.health is not Health.SILENT or one.last_at is None:
        return 0.0
    return (now - one.last_at).total_seconds()
