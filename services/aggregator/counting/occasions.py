"""Persons who were just read, as what alerts may follow from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.models import Weigher
from services.core.facts import Facts
from services.core.instants import HOUR_US
from services.core.tallies import Tallies


class Occasion(NamedTuple):
    """Persons who were read, whose places are the owners, and when that was by the log's time."""

    persons: Sequence[int]
    tallies: Tallies
    facts: Facts
    weigher: Weigher
    at_us: int
    watched: frozenset[int]
    """Those who may have alerts that stand."""
    late: bool = False
    """What is seen comes late: it opens nothing and makes nothing worse."""
    account: str | None = None
    """The company that these persons act for, when they are read as one."""
    factors: NDArray[np.float64] | None = None
    """Of a company: how much each of them counts."""

    @property
    def hour(self) -> int:
        """The hour of the read."""
        return self.at_us // HOUR_US

    def among(self, places: Sequence[int]) -> Occasion:
        """The same of some of the persons, by their places."""
        new_place = np.full(len(self.persons), -1, dtype=np.int64)
        new_place[list(places)] = np.arange(len(places))
        owner = new_place[self.tallies.owner]
        kept = np.flatnonzero(owner >= 0)
        people = {new: self.facts.people[old] for new, old in enumerate(places) if old in self.facts.people}
        return self._replace(
            persons=[self.persons[place] for place in places],
            tallies=Tallies(owner[kept], self.tallies.rows.take(kept, axis=0)),
            facts=Facts(people),
        )
