"""Numbers for names: identities and leaves as the database numbers them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.cache import NameCache
from services.aggregator.counting.ports import LeavesPort, NamesPort
from services.aggregator.counting.records import Event
from services.core.catalogue import Catalogue
from services.core.dimensions import Leaves
from services.state.leaves import Triple


class Known(NamedTuple):
    """An identity's number and the person it belonged to when it was looked up."""

    number: int
    person: int


Directory = Mapping[str, Known]
"""The identities of one chunk; what another worker has moved since is found out under the persons' locks."""


class Numbering:
    """Looks identities and leaves up, numbers new ones, and remembers both."""

    def __init__(self, identities: NamesPort, leaves: LeavesPort, catalogue: Catalogue, cache: NameCache) -> None:
        self._identities = identities
        self._leaves = leaves
        self._catalogue = catalogue
        self._cache = cache
        self._triples: list[Triple] = [("", "", "")]
        self.leaf_number: dict[Triple, int] = {}
        self.leaves = Leaves.of(catalogue, self._triples)

    async def directory(self, events: Iterable[Event]) -> Directory:
        """Every identity that these events name, numbered."""
        wanted = {event.subject for event in events}
        for event in events:
            wanted.update(event.others)
        known = self._cache.known
        missing = [value for value in wanted if value not in known]
        found = {value: Known(*known[value]) for value in wanted if value in known}
        if missing:
            found.update(await self._look_up(missing))
        return found

    async def learn_leaves(self, events: Iterable[Event]) -> None:
        """Number every leaf of these events."""
        wanted = {event.leaf for event in events if event.leaf not in self.leaf_number}
        if not wanted:
            return
        # First read what others have numbered: an insert that finds its leaf there still uses up a number.
        await self._read_leaves(after=len(self._triples) - 1)
        missing = wanted - self.leaf_number.keys()
        if not missing:
            return
        await self._leaves.add(missing)
        await self._read_leaves(after=len(self._triples) - 1)
        if not missing <= self.leaf_number.keys():
            # Another worker took a lower number and committed it after a higher one was read.
            await self._read_leaves(after=0)

    async def cover(self, numbers: NDArray[np.int64]) -> Leaves:
        """The leaves, among them these numbers, which another worker may have given."""
        given = np.unique(numbers).tolist()
        if given and (given[-1] >= len(self._triples) or not all(self._triples[number][0] for number in given)):
            await self._read_leaves(after=0)
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

    async def _read_leaves(self, *, after: int) -> None:
        rows = await self._leaves.after(after)
        if not rows:
            return
        for row in rows:
            # Sequences leave gaps; a gap is a leaf that no event has.
            self._triples.extend([("", "", "")] * (row.number + 1 - len(self._triples)))
            self._triples[row.number] = row.triple
            self.leaf_number[row.triple] = row.number
        self.leaves = Leaves.of(self._catalogue, self._triples)
