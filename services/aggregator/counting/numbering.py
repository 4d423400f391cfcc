"""Numbers for names: identities and leaves as the database numbers them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.cache import NameCache
from services.aggregator.counting.name_bounds import NameBounds, attempts
from services.aggregator.counting.ports import Names
from services.aggregator.counting.records import Event
from services.core.catalogue import Catalogue
from services.core.dimensions import Leaves
from services.state.leaves import Brought, LeafRow, Triple


class Known(NamedTuple):
    """An identity's number and the person it belonged to when it was looked up."""

    number: int
    person: int


Directory = Mapping[str, Known]
"""The identities of one chunk; what another worker has moved since is found out under the persons' locks."""


class Numbering:
    """Looks identities and leaves up, numbers new ones, and remembers both."""

    def __init__(self, store: Names, catalogue: Catalogue, cache: NameCache, bounds: NameBounds) -> None:
        self._identities = store.identities
        self._leaves = store.leaves
        self._catalogue = catalogue
        self._cache = cache
        self._bounds = bounds
        self._full: set[tuple[str | None, int]] = set()
        self.leaf_number: dict[Triple, int] = {}
        self.leaves = Leaves(catalogue)

    async def directory(self, events: Iterable[Event]) -> Directory:
        """Every identity that these events name, numbered."""
        wanted = {event.subject for event in events}
        for event in events:
            wanted.update(event.others)
            if event.alias:
                wanted.add(event.alias)
        known = self._cache.known
        missing = [value for value in wanted if value not in known]
        found = {value: Known(*known[value]) for value in wanted if value in known}
        if missing:
            found.update(await self._look_up(missing))
        return found

    async def learn_leaves(self, events: Sequence[Event]) -> frozenset[Triple]:
        """Number every leaf of these events; returns those that stay without a number, for want of room."""
        missing = frozenset(event.leaf for event in events if event.leaf not in self.leaf_number)
        if not missing:
            return missing
        # First what others have numbered: an insert that finds its leaf there still uses up a number.
        missing = await self._find(missing)
        for brought in attempts(events, missing, catalogue=self._catalogue, bounds=self._bounds):
            hopeful = [one for one in brought if one.leaf in missing and self._has_room(one)]
            if hopeful:
                await self._leaves.add(hopeful)
                missing = await self._find(missing)
                self._full |= {(one.source, one.bound) for one in hopeful if one.leaf in missing}
        return missing

    async def cover(self, numbers: NDArray[np.int64]) -> Leaves:
        """The leaves, among them these numbers, which another worker may have given."""
        unknown = self.leaves.unknown(numbers)
        if len(unknown):
            self._learn(await self._leaves.numbered(unknown.tolist()))
        return self.leaves

    def forget(self, directory: Directory) -> None:
        """Look these up again next time."""
        self._cache.forget(directory)

    def remember(self, value: str, number: int, person: int) -> None:
        """Keep what a committed transaction has found out about an identity."""
        self._cache.put(value, number, person)

    async def _look_up(self, missing: list[str]) -> dict[str, Known]:
        rows = await self._identities.find(missing)
        strangers = set(missing) - {row.value for row in rows}
        if strangers:
            await self._identities.add(strangers)
            rows += await self._identities.find(sorted(strangers))
        for row in rows:
            self._cache.put(row.value, row.number, row.person)
        return {row.value: Known(row.number, row.person) for row in rows}

    async def _find(self, leaves: frozenset[Triple]) -> frozenset[Triple]:
        """Learn those that are numbered; returns the others."""
        if not leaves:
            return leaves
        self._learn(await self._leaves.find(leaves))
        return leaves - self.leaf_number.keys()

    def _has_room(self, one: Brought) -> bool:
        # What a source has brought never becomes less, so one that has no room is asked about once.
        return (one.source, one.bound) not in self._full

    def _learn(self, rows: Iterable[LeafRow]) -> None:
        # Two lanes may have asked for the same one.
        fresh = [row for row in rows if row.triple not in self.leaf_number]
        self.leaves.learn((row.number, row.triple) for row in fresh)
        self.leaf_number.update((row.triple, row.number) for row in fresh)
