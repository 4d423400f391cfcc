"""Read old scores anew, portion after portion and beside the work: silence moves them, and nothing else tells of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

import numpy as np

from services.aggregator.counting.models import OwnModels
from services.aggregator.counting.ports import ChunkTransaction, Store
from services.aggregator.counting.writing_scores import read_scores
from services.core.ageing import DAY_H, fading_hours, fading_points_max
from services.core.catalogue import Catalogue
from services.core.facts import Facts
from services.core.instants import HOUR_US
from services.core.tallies import Tallies, merge
from services.infra.background import Background
from services.infra.clock import Clock
from services.infra.metrics import SCORES_REFRESHED
from services.state.ageing import Due, Walk
from services.state.facts import facts_of_persons

EVERY_S: Final = 60.0
"""How soon after an hour has begun its walk begins, or that of a worker that has ended is gone on with."""

AGAIN_S: Final = 60.0
"""After a round that failed."""

PERSONS: Final = 200
"""In one portion: their rows are locked for some hundredths of a second, and a chunk that touches one waits so long."""

ROWS_MAX: Final = 100_000
"""Tallies of one portion: 8 MiB. Of persons with more of them together fewer are written at once."""

SHARE: Final = 3.0
"""How many times as long as a portion took it pauses after it: three quarters of the time belong to events."""

POINTS: Final = 1.0
"""A stored score may be off by so much; at the usual half-life a day's silence moves it by half of that."""

TOLD_POINTS: Final = 0.5
"""Followers care about what people see, which is whole points: a million people are not told of again each day for less."""

SOON_H: Final = 3
"""How far a day's window may be behind, and a band where a score comes close to its border."""

NEAR_CONFIDENCE: Final = 0.005
"""Beside the confidence below which a band is unknown: a day's silence takes a fortieth of it at most."""


class Step(Enum):
    """What a step has come to."""

    IDLE = auto()
    """The walk of this hour is done, or another worker goes on with it."""
    MOVED = auto()
    """There is more to do."""
    DONE = auto()
    """Everybody is looked at."""


class Refreshing:
    """The task that walks over all people once an hour for as long as the worker lives; several workers share a walk."""

    def __init__(self, store: Store, catalogue: Catalogue, clock: Clock, *, portion: int = PERSONS) -> None:
        self._store = store
        self._clock = clock
        self._portion = portion
        self._background = Background("refresh", self._round, again_s=AGAIN_S)
        self._models = OwnModels(store, catalogue)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=EVERY_S)

    async def stop(self) -> None:
        """Leave off; what is written stays, and another worker or start goes on."""
        await self._background.stop()

    async def step(self) -> Step:
        """Look at one portion of everybody, or do what stands before or after; raises UnavailableError."""
        hour = self._clock.now_us() // HOUR_US
        told = persons = 0
        async with self._store.transaction() as transaction:
            walk = await transaction.ageing.held()
            if walk is None or (not walk.under_way and walk.current and walk.hour >= hour):
                self._models.forget()
                return Step.IDLE
            if not walk.under_way:
                await transaction.ageing.begin(walk, hour=hour)
                return Step.MOVED
            found = await transaction.ageing.due(walk, due_at(hour, walk), limit=self._portion)
            if found.last is None:
                await transaction.ageing.end(walk)
                return Step.DONE
            done: Sequence[int] = ()
            if found.persons:
                done, told = await self._write(transaction, found.persons, hour)
                await transaction.account_scores.mark(done)
            persons = len(done)
            whole = persons == len(found.persons)
            await transaction.ageing.move(walk, to=found.last if whole else done[-1])
        SCORES_REFRESHED.labels(outcome="told").inc(told)
        SCORES_REFRESHED.labels(outcome="kept").inc(persons - told)
        return Step.MOVED

    async def _round(self) -> float:
        """One step; how long to pause after it."""
        began_s = asyncio.get_running_loop().time()
        step = await self.step()
        return SHARE * (asyncio.get_running_loop().time() - began_s) if step is Step.MOVED else EVERY_S

    async def _write(
        self, transaction: ChunkTransaction, persons: Sequence[int], hour: int
    ) -> tuple[Sequence[int], int]:
        """Write the first of these locked persons, as many as there is room for; returns them, and how many moved."""
        rows_max = None if len(persons) == 1 else ROWS_MAX + 1
        # Read in a statement that began after the lock: nobody adds to them from here on.
        stored = await transaction.tallies.of_persons(persons, rows_max=rows_max)
        if rows_max is not None and len(stored.rows) > ROWS_MAX:
            return await self._write(transaction, persons[: len(persons) // 2], hour)
        beside = await facts_of_persons(transaction.facts, persons)
        facts = Facts({place: beside[person] for place, person in enumerate(persons) if person in beside})
        tallies = merge([Tallies(np.searchsorted(persons, stored.owner), stored.rows)])
        models = self._models.of(transaction)
        turn = await transaction.scores.turn()
        generations = await read_scores(persons, tallies, facts, turn=turn, models=models, at_hour=hour)
        return persons, await transaction.scores.refresh(generations, points=TOLD_POINTS)


def due_at(hour: int, walk: Walk) -> Due:
    """Whose score is old at an hour, by how the model in use lets scores fade."""
    half_life_days = walk.half_life_days or 1.0
    whole_h = int(min(max(fading_hours(POINTS, half_life_days=half_life_days), 1), DAY_H))
    near = fading_points_max(whole_h, half_life_days=half_life_days)
    return Due(hour, TOLD_POINTS, whole_h, min(SOON_H, whole_h), NEAR_CONFIDENCE, near)
