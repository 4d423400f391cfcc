"""Numbers for names: identities and leaves as the database numbers them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.cache import NameCache
from services.aggregator.counting.records import Event
from services.core.catalogue import Catalogue
from services.core.dimensions import Leaves
from services.state.store import Store

Triple = tuple[str, str, str]


class Known(NamedTuple):
    """An identity's number and the person it belonged to when it was looked up."""

    number: int
    person: int


Directory = Mapping[str, Known]
"""The identities of one chunk; what another worker has moved since is found out under the persons' locks."""


class Names:
    """Looks names up, numbers new ones, and remembers both."""

    def __init__(self, store: Store, catalogue: Catalogue, cache: NameCache) -> None:
        self._store = store
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
        await self._store.add_leaves(missing)
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
        found = {value: Known(number, person) for value, number, person in await self._store.find_names(missing)}
        strangers = [value for value in missing if value not in found]
        if strangers:
            await self._store.add_names(strangers)
            rows = await self._store.find_names(strangers)
            found.update({value: Known(number, person) for value, number, person in rows})
        for value, known in found.items():
            self._cache.put(value, known.number, known.person)
        return found

    async def _read_leaves(self, *, after: int) -> None:
        rows = await self._store.leaves_after(after)
        if not rows:
            return
        for number, *triple in rows:
            # Sequences leave gaps; a gap is a leaf that no event has.
            self._triples.extend([("", "", "")] * (number + 1 - len(self._triples)))
            self._triples[number] = (triple[0], triple[1], triple[2])
            self.leaf_number[self._triples[number]] = number
        self.leaves = Leaves.of(self._catalogue, self._triples)
