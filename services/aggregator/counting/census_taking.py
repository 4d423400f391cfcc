"""Take a census of all people, portion after portion and beside the work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

import numpy as np

from services.aggregator.counting.ports import ChunkTransaction, Store
from services.core.catalogue import Catalogue
from services.core.census import PERIOD_H, SEGMENT, Census, count_up
from services.core.dimensions import Leaves
from services.core.facts import Facts
from services.core.instants import HOUR_US
from services.core.tallies import LEAF, Tallies, merge
from services.infra.background import Background
from services.infra.clock import Clock
from services.infra.logs import get_logger
from services.infra.metrics import CENSUS_DONE_AT
from services.state.census import HeldCensus
from services.state.facts import facts_of_persons

log = get_logger(__name__)

EVERY_S: Final = 5.0
"""How soon it is found that a census is due, or that whoever took one has ended."""

AGAIN_S: Final = 30.0
"""After a round that failed."""

REST_S: Final = 60.0
"""Between two censuses at least: what nobody can count is a minute old."""

REST_TIMES: Final = 9.0
"""After a portion, and after a census, so many times as long as it took: a tenth of one worker's time, and a tenth of that."""

PERSONS: Final = 500
"""In one portion, of which nobody's row is locked."""

ROWS_MAX: Final = 100_000
"""Tallies of one portion, 8 MiB. Persons with more of them together are counted in smaller portions."""


class Step(Enum):
    """What a step has come to."""

    IDLE = auto()
    """No census is due, or another worker takes it."""
    MOVED = auto()
    """There is more to do."""
    DONE = auto()
    """The census is whole."""


class CensusTaking:
    """The task that takes censuses for as long as the worker lives; the next worker goes on where it stopped."""

    def __init__(
        self, store: Store, catalogue: Catalogue, clock: Clock, *, segments: str = "", portion: int = PERSONS
    ) -> None:
        """Take censuses of people, told apart by the segments that the setting declares."""
        self._store = store
        self._catalogue = catalogue
        self._clock = clock
        self._segments = declared_segments(segments)
        self._portion = portion
        self._background = Background("census", self._round, again_s=AGAIN_S)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=EVERY_S)

    async def stop(self) -> None:
        """Leave off; what is counted stays, and another worker or start goes on."""
        await self._background.stop()

    async def step(self, *, rest_s: float = REST_S, rest_times: float = REST_TIMES) -> Step:
        """Count one portion, or do what stands before or after all of them; raises UnavailableError."""
        async with self._store.transaction() as transaction:
            census = transaction.census
            held = await census.held()
            if held is not None:
                return await self._go_on(transaction, held)
            hour = self._clock.now_us() // HOUR_US
            if await census.begin(hour=hour, rest_s=rest_s, rest_times=rest_times) or await census.forget():
                return Step.MOVED
            return Step.IDLE

    async def _round(self) -> float:
        """One step; how long to pause after it."""
        began_s = asyncio.get_running_loop().time()
        step = await self.step()
        if step is Step.DONE:
            CENSUS_DONE_AT.set_to_current_time()
        return REST_TIMES * (asyncio.get_running_loop().time() - began_s) if step is Step.MOVED else EVERY_S

    async def _go_on(self, transaction: ChunkTransaction, held: HeldCensus) -> Step:
        census = transaction.census
        if not held.current:
            await census.end(held, "replaced")
            return Step.MOVED
        persons = await census.persons(held, limit=self._portion)
        if persons:
            await self._count(transaction, held, persons)
            return Step.MOVED
        await census.end(held, "whole")
        return Step.DONE

    async def _count(self, transaction: ChunkTransaction, held: HeldCensus, persons: Sequence[int]) -> None:
        """Count the first of these persons, as many as there is room for."""
        rows_max = None if len(persons) == 1 else ROWS_MAX + 1
        hours = (held.hour - 2 * PERIOD_H, held.hour)
        stored = await transaction.tallies.of_persons(persons, hours=hours, rows_max=rows_max)
        if rows_max is not None and len(stored.rows) > ROWS_MAX:
            await self._count(transaction, held, persons[: len(persons) // 2])
            return
        weighing = await self._store.models.weighing(held.model)
        own = self._catalogue.model_version == weighing.version
        catalogue = self._catalogue if own else self._catalogue.weighed_by(weighing)
        beside = await facts_of_persons(transaction.facts, persons)
        facts = Facts({place: beside[person] for place, person in enumerate(persons) if person in beside})
        used, leaf = np.unique(stored.rows[:, LEAF], return_inverse=True)
        triple_of = {row.number: row.triple for row in await self._store.leaves.numbered(used.tolist())}
        named = sorted({*triple_of.values(), *facts.leaves(catalogue)})
        place_of = {triple: place for place, triple in enumerate(named)}
        places = np.array([place_of[triple_of[number]] for number in used.tolist()], dtype=np.int64)
        stored.rows[:, LEAF] = places[leaf]
        owner = np.searchsorted(persons, stored.owner)
        segments = await self._told_apart(transaction, persons, hours=hours)

        def work() -> Census:
            return count_up(
                merge([Tallies(owner, stored.rows)]),
                facts=facts,
                owners=len(persons),
                leaves=Leaves.of(catalogue, named),
                at_hour=held.hour,
                parameters=catalogue.parameters,
                segments=segments,
            )

        # Beside the loop: events are counted meanwhile.
        counted = await asyncio.to_thread(work)
        await transaction.census.add(held, counted)
        await transaction.census.move(held, persons)

    async def _told_apart(
        self, transaction: ChunkTransaction, persons: Sequence[int], *, hours: tuple[int, int]
    ) -> dict[str, list[int]]:
        """Put the places of these persons into their segments."""
        segments: dict[str, list[int]] = {}
        for name, declared in self._segments.items():
            values = await transaction.census.values(persons, name=name, declared=declared, hours=hours)
            for place, person in enumerate(persons):
                if person in values:
                    segments.setdefault(f"{SEGMENT}{name}:{values[person]}", []).append(place)
        return segments


def declared_segments(text: str) -> dict[str, tuple[str, ...]]:
    """Read the setting: the values of each property."""
    pairs = (part.partition("=") for part in text.split())
    return {name: tuple(values.split(",")) for name, _, values in pairs}
