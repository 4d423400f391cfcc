"""Write the scores of people to whom a promise falls due, or is overdue and goes on: nothing else tells of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np

from services.aggregator.counting.models import Models
from services.aggregator.counting.ports import ChunkTransaction, Store
from services.aggregator.counting.writing_scores import write_scores
from services.core.catalogue import Catalogue
from services.core.facts import Facts
from services.core.instants import HOUR_US
from services.core.tallies import Tallies, merge
from services.infra.background import Background
from services.infra.clock import Clock
from services.infra.metrics import PROMISES_SWEPT, PROMISES_SWEPT_AT
from services.state.facts import facts_of_persons

EVERY_S: Final = 60.0
"""How soon after an hour has begun its promises are looked at: an overdue one grows by less than a point an hour."""

AGAIN_S: Final = 60.0
"""After a round that failed."""

PERSONS: Final = 200
"""In one portion: their rows are locked for some hundredths of a second, and a chunk that touches one waits so long."""

ROWS_MAX: Final = 100_000
"""Tallies of one portion: 8 MiB. Of persons with more of them together fewer are written at once."""

SHARE: Final = 3.0
"""How many times as long as a portion took it pauses after it: three quarters of the time belong to events."""


class Sweeping:
    """The task that sweeps for as long as the worker lives; several workers share what is due."""

    def __init__(self, store: Store, catalogue: Catalogue, clock: Clock, *, portion: int = PERSONS) -> None:
        self._store = store
        self._catalogue = catalogue
        self._clock = clock
        self._portion = portion
        self._background = Background("sweep", self._round, again_s=AGAIN_S)
        self._models: Models | None = None
        self._generation = ""

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=EVERY_S)

    async def stop(self) -> None:
        """Leave off; who is due stays so, and another worker or start goes on."""
        await self._background.stop()

    async def step(self) -> int:
        """Write one portion of whoever is due by this hour; how many these were. Raises UnavailableError."""
        hour = self._clock.now_us() // HOUR_US
        async with self._store.transaction() as transaction:
            due = sorted(await transaction.persons.turning(hour, limit=self._portion))
            persons = await self._write(transaction, due, hour) if due else ()
            if persons:
                await transaction.account_scores.mark(persons)
        written = len(persons)
        PROMISES_SWEPT.inc(written)
        if not written:
            PROMISES_SWEPT_AT.set_to_current_time()
            self._models = None  # a weight for every leaf is nothing to keep for an hour
        return written

    async def _round(self) -> float:
        """One portion; how long to pause after it."""
        began_s = asyncio.get_running_loop().time()
        written = await self.step()
        return SHARE * (asyncio.get_running_loop().time() - began_s) if written else EVERY_S

    async def _write(self, transaction: ChunkTransaction, persons: Sequence[int], hour: int) -> Sequence[int]:
        """Write the first of these locked persons, as many as there is room for; returns them."""
        rows_max = None if len(persons) == 1 else ROWS_MAX + 1
        # Read in a statement that began after the lock: nobody adds to them from here on.
        stored = await transaction.tallies.of_persons(persons, rows_max=rows_max)
        if rows_max is not None and len(stored.rows) > ROWS_MAX:
            return await self._write(transaction, persons[: len(persons) // 2], hour)
        beside = await facts_of_persons(transaction.facts, persons)
        facts = Facts({place: beside[person] for place, person in enumerate(persons) if person in beside})
        tallies = merge([Tallies(np.searchsorted(persons, stored.owner), stored.rows)])
        models = self._models_of(transaction)
        turn = await transaction.scores.turn()
        await write_scores(transaction, persons, tallies, facts, turn=turn, models=models, at_hour=hour)
        return persons

    def _models_of(self, transaction: ChunkTransaction) -> Models:
        """Models of our own, for as long as it takes; numbers that were read of another database mean nothing."""
        if self._models is None or transaction.generation != self._generation:
            self._generation = transaction.generation
            self._models = Models.of_stored(self._store, self._catalogue)
        return self._models
