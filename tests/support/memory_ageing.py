"""The walk over old scores in memory, by the rules of the real tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from services.core.bands import CONFIDENCE_KNOWN
from services.state.ageing import LOOKED_AT_MAX, Ahead, Due, Walk
from services.state.scores import Scored

if TYPE_CHECKING:
    from tests.support.memory_store import MemoryStore


@dataclass(frozen=True)
class StoredScore:
    """What of a person's stored score says whether it is old."""

    as_of: int
    score: float
    band: int
    confidence: float
    confidence_24h: float
    confidence_90d: float
    told: float | None = None
    told_band: int | None = None

    def moved(self, points: float) -> bool:
        """Whether followers are to be told."""
        return self.told is None or abs(self.score - self.told) >= points or self.band != self.told_band

    def due(self, due: Due, starts: list[float]) -> bool:
        """Whether it is old."""
        if self.moved(due.told_points):
            return True
        if not (self.confidence > 0 or self.confidence_90d > 0):
            return False
        near = abs(self.confidence - CONFIDENCE_KNOWN) < due.near_confidence or any(
            abs(self.score - start) < due.near_points for start in starts
        )
        soon = self.as_of <= due.hour - due.soon_h and (self.confidence_24h > 0 or near)
        return soon or self.as_of <= due.hour - due.whole_h


@dataclass
class AgeingState:
    """What a transaction may change."""

    hour: int = 0
    model: int | None = None
    cursor: int = 0
    under_way: bool = False
    stored: dict[int, StoredScore] = field(default_factory=dict)

    def keep(self, scored: Scored, *, points: float) -> int:
        """Keep scores that were read; how many of them followers are told of, being moved by so much."""
        overall, day, *_, quarter = scored.readings
        bands = scored.bands.numbers(overall.score, overall.confidence)
        hours, told = np.broadcast_to(scored.at_hour, len(scored.persons)), 0
        for place, person in enumerate(scored.persons):
            before = self.stored.get(person)
            one = StoredScore(
                int(hours[place]),
                float(overall.score[place]),
                int(bands[place]),
                float(overall.confidence[place]),
                float(day.confidence[place]),
                float(quarter.confidence[place]),
                before.told if before else None,
                before.told_band if before else None,
            )
            if one.moved(points):
                told += 1
                one = replace(one, told=one.score, told_band=one.band)
            self.stored[person] = one
        return told


class MemoryAgeing:
    """The statements of the table."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def held(self) -> Walk | None:
        state, in_use = self._store.state.ageing, self._store.state.in_use
        if in_use is None:
            return None
        weighing = await self._store.models.weighing(in_use.active)
        current = state.model == in_use.active
        half_life, starts = weighing.parameters.half_life_days, weighing.bands.starts
        return Walk(state.hour, state.cursor, state.under_way and current, current, in_use.active, half_life, starts)

    async def begin(self, walk: Walk, *, hour: int) -> None:
        state = self._store.state.ageing
        state.hour, state.model, state.cursor, state.under_way = hour, walk.model, 0, True

    async def due(self, walk: Walk, due: Due, *, limit: int) -> Ahead:
        state = self._store.state
        ahead = sorted(one for one in state.persons if one > walk.cursor)[:LOOKED_AT_MAX]
        if not ahead:
            return Ahead([], None)
        old = [
            one
            for one in ahead
            if one in state.ageing.stored
            and state.persons[one][1] is None
            and (state.persons[one][2] or 0) <= due.hour
            and state.ageing.stored[one].due(due, list(walk.band_starts))
        ]
        return Ahead(old[:limit], old[limit - 1] if len(old) >= limit else ahead[-1])

    async def move(self, walk: Walk, *, to: int) -> None:
        del walk
        self._store.state.ageing.cursor = to

    async def end(self, walk: Walk) -> None:
        del walk
        self._store.state.ageing.under_way = False
