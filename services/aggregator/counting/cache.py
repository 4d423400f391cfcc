"""What a worker remembers: names it has looked up, and the tallies and facts of recent persons."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.core.facts import PersonFacts

NAMES_MAX: Final = 400_000
"""Identities whose numbers are remembered: about 200 bytes each, so 80 MB at the most."""


FACT_ROWS: Final = 8
"""As many rows as a fact counts for: it takes about 700 bytes, its text and what was folded of it included."""


class CachedPerson(NamedTuple):
    """A person's merged tallies (rows of core.columns, sorted by leaf and hour) and facts as of a version."""

    version: int
    rows: NDArray[np.int64]
    members: frozenset[int]
    """The person's identities, when there are several; empty for one that is alone."""
    facts: PersonFacts | None
    """None for a person without."""

    @property
    def size(self) -> int:
        """What it counts for, in rows."""
        return len(self.rows) + (0 if self.facts is None else FACT_ROWS * len(self.facts.facts))


class PersonCache:
    """Least recently used persons, bounded by rows.

    An entry is valid exactly when its version equals the locked person row's: every write of any of the
    person's tallies, by any worker and either topic, takes a new version under that lock. Tallies that a rebuild
    swaps in take none: whoever scores asks whether they are those that are remembered here.
    """

    def __init__(self, *, rows_max: int) -> None:
        self._rows_max = rows_max
        self._tallies: int | None = None
        self._forget()

    def _forget(self) -> None:
        self._rows = 0
        self._states: OrderedDict[int, CachedPerson] = OrderedDict()

    def __contains__(self, person: object) -> bool:
        """Whether the person's row is known to exist."""
        return person in self._states

    def get(self, person: int, *, version: int) -> CachedPerson | None:
        """The state at that version, or None."""
        state = self._states.get(person)
        return state if state is not None and state.version == version else None

    def disagrees(self, tallies: int) -> bool:
        """Tell whether other tallies are read than those of which something was remembered; that is forgotten."""
        if self._tallies == tallies:
            return False
        remembered, self._tallies = bool(self._states), tallies
        self._forget()
        return remembered

    def put_all(self, states: Mapping[int, CachedPerson], *, tallies: int) -> None:
        """Remember committed states, unless other tallies are read meanwhile."""
        if tallies == self._tallies:
            for person, state in states.items():
                self.put(person, state)

    def put(self, person: int, state: CachedPerson) -> None:
        """Remember a committed state; the longest unused are dropped past the bound."""
        before = self._states.pop(person, None)
        self._rows += state.size - (0 if before is None else before.size)
        self._states[person] = state
        while self._rows > self._rows_max and len(self._states) > 1:
            _, dropped = self._states.popitem(last=False)
            self._rows -= dropped.size


class NameCache:
    """Identity by value: its number, and the person it belonged to when last seen."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[int, int]] = {}

    def put(self, value: str, number: int, person: int) -> None:
        """Remember one identity; at the bound the older half is forgotten at once."""
        if len(self.known) >= NAMES_MAX:
            for old in list(self.known)[: NAMES_MAX // 2]:
                del self.known[old]
        self.known[value] = (number, person)

    def forget(self, values: Iterable[str]) -> None:
        """Look these up again next time."""
        for value in values:
            self.known.pop(value, None)
