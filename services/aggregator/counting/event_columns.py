"""A chunk's events as columns of numbers, in the order that the database wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.numbering import Directory
from services.aggregator.counting.records import Event
from services.core.instants import HOUR_US
from services.state.events import Numbers
from services.state.leaves import Triple

Integers = NDArray[np.int64]


class EventColumns(NamedTuple):
    """A chunk's events, one position each, in the order of (time, key)."""

    identity: Integers
    person: Integers
    leaf: Integers
    occurred_us: Integers
    v: Integers
    q: Integers

    @property
    def hour(self) -> Integers:
        """Hours since 1970."""
        return self.occurred_us // HOUR_US

    @property
    def numbers(self) -> Numbers:
        """What is stored of them."""
        return Numbers(self.identity, self.leaf, self.occurred_us, self.v, self.q)

    def among(self, places: Integers) -> EventColumns:
        """The events at these places."""
        return EventColumns(*(column[places] for column in self))


def in_order(events: Sequence[Event]) -> list[Event]:
    """Sort by (time, key), the order of the unique index: two transactions then cannot wait for each other."""
    occurred = np.array([event.occurred_us for event in events], dtype=np.int64)
    key = np.frombuffer(b"".join([event.key for event in events]), dtype=">u8")
    order = np.lexsort((key[1::2], key[::2], occurred))
    return [events[position] for position in order.tolist()]


def event_columns(events: Sequence[Event], *, directory: Directory, leaf_number: Mapping[Triple, int]) -> EventColumns:
    """The numbers of the events, in their order."""
    who = [directory[event.subject] for event in events]
    fields = [(event.occurred_us, event.v, event.q, leaf_number[event.leaf]) for event in events]
    known = np.fromiter(chain.from_iterable(who), np.int64, 2 * len(who)).reshape(-1, 2)
    numbers = np.fromiter(chain.from_iterable(fields), np.int64, 4 * len(fields)).reshape(-1, 4)
    return EventColumns(
        identity=known[:, 0],
        person=known[:, 1],
        leaf=numbers[:, 3],
        occurred_us=numbers[:, 0],
        v=numbers[:, 1],
        q=numbers[:, 2],
    )
