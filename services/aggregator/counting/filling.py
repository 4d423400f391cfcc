"""Write the scores of a model that takes over, portion after portion and beside the work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

import numpy as np

from services.aggregator.counting.models import OwnModels
from services.aggregator.counting.ports import ChunkTransaction, Store
from services.aggregator.counting.writing_scores import WINDOWS_H, turns_of
from services.core import scoring
from services.core.catalogue import Catalogue
from services.core.facts import Facts
from services.core.tallies import LEAF, Tallies, merge
from services.infra.background import Background
from services.infra.logs import get_logger
from services.state.activation import Held
from services.state.facts import facts_of_persons
from services.state.models import Generation
from services.state.scores import Scored

log = get_logger(__name__)

EVERY_S: Final = 2.0
"""How soon an activation is taken up, and how often its wait for older transactions looks again."""

AGAIN_S: Final = 10.0
"""After a round that failed."""

PERSONS: Final = 500
"""In one portion: their rows are locked for some hundredths of a second, and a chunk that touches one waits so long."""

ROWS_MAX: Final = 200_000
"""Tallies of one portion: 16 MiB. Persons with more of them together are written in smaller portions."""


class Step(Enum):
    """What a step has come to."""

    IDLE = auto()
    """Nothing is under way, or another worker does it."""
    WAITING = auto()
    """Transactions that began before the activation have not ended yet, or accounts are not written."""
    MOVED = auto()
    """There is more to do."""
    DONE = auto()
    """The model is active."""


class Filling:
    """The task that lets a model take over, for as long as the worker lives; the next one goes on where it stopped."""

    def __init__(self, store: Store, catalogue: Catalogue, *, portion: int = PERSONS) -> None:
        self._store = store
        self._portion = portion
        self._background = Background("model_activation", self._round, again_s=AGAIN_S)
        self._models = OwnModels(store, catalogue)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=EVERY_S)

    async def stop(self) -> None:
        """Leave off; what is written stays, and another worker or start goes on."""
        await self._background.stop()

    async def step(self) -> Step:
        """Write one portion, or do what stands before or after all of them; raises UnavailableError."""
        if not await self._store.activations.under_way():
            self._models.forget()
            return Step.IDLE
        async with self._store.transaction() as transaction:
            held = await transaction.activations.held()
            return Step.IDLE if held is None else await self._go_on(transaction, held)

    async def _round(self) -> float:
        """One step; how long to pause after it."""
        began_s = asyncio.get_running_loop().time()
        step = await self.step()
        # As long as it took: the other half of the time belongs to events.
        return asyncio.get_running_loop().time() - began_s if step is Step.MOVED else EVERY_S

    async def _go_on(self, transaction: ChunkTransaction, held: Held) -> Step:
        activations = transaction.activations
        if held.horizon is None:
            await activations.set_horizon(held)
            return Step.MOVED
        if held.last is None:
            if not await activations.past_horizon(held):
                return Step.WAITING
            await activations.set_out(held)
            return Step.MOVED
        limit = self._portion
        persons = await activations.persons(held, limit=limit) or await activations.behind(held, limit=limit)
        if persons:
            await activations.move(held, await self._fill(transaction, held, persons))
            return Step.MOVED
        if await transaction.account_scores.behind(held.model, limit=1):
            return Step.WAITING  # whoever scores accounts writes theirs, beside
        await activations.flip(held)
        log.info("model_activated", model=held.model)
        return Step.DONE

    async def _fill(self, transaction: ChunkTransaction, held: Held, persons: Sequence[int]) -> Sequence[int]:
        """Write the first of these persons, as many as there is room for; returns them."""
        locked = await transaction.persons.lock(persons)
        persons = sorted(locked)
        # Read in a statement that began after the lock: nobody adds to them from here on.
        rows_max = None if len(persons) == 1 else ROWS_MAX + 1
        stored = await transaction.tallies.of_persons(persons, rows_max=rows_max)
        if rows_max is not None and len(stored.rows) > ROWS_MAX:
            return await self._fill(transaction, held, persons[: len(persons) // 2])
        tallies = merge([Tallies(np.searchsorted(persons, stored.owner), stored.rows)])
        facts = await facts_of_persons(transaction.facts, persons)
        weigher = await self._models.of(transaction).weigher(held.model, tallies.rows[:, LEAF])
        at_hours = np.array([locked[person].as_of for person in persons], dtype=np.int64)
        beside = Facts({place: facts[person] for place, person in enumerate(persons) if person in facts})
        readings = scoring.read_each(
            tallies,
            facts=beside,
            leaves=weigher.leaves,
            at_hours=at_hours,
            parameters=weigher.parameters,
            windows_h=WINDOWS_H,
        )
        turn = await transaction.scores.turn()
        generation, bands = Generation(held.model, 1 - held.slot), weigher.leaves.catalogue.bands
        # A rebuild may have found promises, or lost them.
        turns = turns_of(beside, owners=len(persons))
        await transaction.scores.fill(Scored(persons, readings, bands, turn.version, generation, at_hours, turns))
        return persons
