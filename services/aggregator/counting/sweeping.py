"""Write the scores of people to whom a promise falls due, or is overdue and goes on: nothing else tells of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from services.aggregator.counting.alerting import NOTHING_HAPPENED, Touch, look, openings_of_promises
from services.aggregator.counting.lag import Lag
from services.aggregator.counting.models import OwnModels
from services.aggregator.counting.observe import alerts_told
from services.aggregator.counting.occasions import Occasion
from services.aggregator.counting.ports import ChunkTransaction, Store
from services.aggregator.counting.reading_stored import read_stored
from services.aggregator.counting.telling_alerts import Step
from services.aggregator.counting.writing_scores import write_scores
from services.core.catalogue import Catalogue
from services.core.instants import HOUR_US
from services.core.tallies import LEAF
from services.infra.background import Background
from services.infra.clock import Clock
from services.infra.metrics import PROMISES_SWEPT, PROMISES_SWEPT_AT

EVERY_S: Final = 60.0
"""How soon after an hour has begun its promises are looked at: an overdue one grows by less than a point an hour."""

AGAIN_S: Final = 60.0
"""After a round that failed."""

PERSONS: Final = 200
"""In one portion: their rows are locked for some hundredths of a second, and a chunk that touches one waits so long."""

SHARE: Final = 3.0
"""How many times as long as a portion took it pauses after it: three quarters of the time belong to events."""


class Sweeping:
    """The task that sweeps for as long as the worker lives; several workers share what is due."""

    def __init__(self, store: Store, catalogue: Catalogue, clock: Clock, lag: Lag, *, portion: int = PERSONS) -> None:
        self._store = store
        self._clock = clock
        self._lag = lag
        self._portion = portion
        self._background = Background("sweep", self._round, again_s=AGAIN_S)
        self._models = OwnModels(store, catalogue)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=EVERY_S)

    async def stop(self) -> None:
        """Leave off; who is due stays so, and another worker or start goes on."""
        await self._background.stop()

    async def step(self) -> int:
        """Write one portion of whoever is due by this hour; how many these were. Raises UnavailableError.

        Promises open alerts unless counting is behind: then what keeps them may stand in the log.
        """
        now_us, caught_up = self._clock.now_us(), await self._lag.is_small()
        steps: list[Step] = []
        async with self._store.transaction() as transaction:
            due = sorted(await transaction.persons.turning(now_us // HOUR_US, limit=self._portion))
            occasion = await self._write(transaction, due, now_us) if due else None
            if occasion is not None:
                touch = Touch(openings_of_promises(occasion), {}) if caught_up else NOTHING_HAPPENED
                steps = await look(transaction, occasion._replace(late=not caught_up), touch)
                await transaction.account_scores.mark(occasion.persons)
        alerts_told(steps)
        written = len(occasion.persons) if occasion else 0
        PROMISES_SWEPT.inc(written)
        if not written:
            PROMISES_SWEPT_AT.set_to_current_time()
            self._models.forget()
        return written

    async def _round(self) -> float:
        """One portion; how long to pause after it."""
        began_s = asyncio.get_running_loop().time()
        written = await self.step()
        return SHARE * (asyncio.get_running_loop().time() - began_s) if written else EVERY_S

    async def _write(self, transaction: ChunkTransaction, persons: Sequence[int], now_us: int) -> Occasion:
        """Write the first of these locked persons, as many as there is room for; returns them as they were read."""
        stored = await read_stored(transaction, persons)
        models = self._models.of(transaction)
        turn = await transaction.scores.turn()
        scored = await write_scores(transaction, *stored, turn=turn, models=models, at_hour=now_us // HOUR_US)
        weigher = await models.weigher(scored.generation.model, stored.tallies.rows[:, LEAF])
        return Occasion(*stored, weigher=weigher, at_us=now_us, watched=frozenset(stored.persons))
