"""Read locked persons from the store, as many as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from services.aggregator.counting.ports import ChunkTransaction
from services.core.facts import Facts
from services.core.tallies import Tallies, merge
from services.state.facts import facts_of_persons

ROWS_MAX: Final = 100_000
"""Tallies of one portion: 8 MiB. Of persons with more of them together fewer are read at once."""


class Stored(NamedTuple):
    """Persons in the order of their numbers, whose places are the owners of the tallies and the facts."""

    persons: Sequence[int]
    tallies: Tallies
    facts: Facts


async def read_stored(transaction: ChunkTransaction, persons: Sequence[int]) -> Stored:
    """Read the first of these locked persons, whose numbers rise; one alone is read whatever it has.

    Read in a statement that began after the lock: nobody adds to them from here on.
    """
    rows_max = None if len(persons) == 1 else ROWS_MAX + 1
    stored = await transaction.tallies.of_persons(persons, rows_max=rows_max)
    if rows_max is not None and len(stored.rows) > ROWS_MAX:
        return await read_stored(transaction, persons[: len(persons) // 2])
    beside = await facts_of_persons(transaction.facts, persons)
    facts = Facts({place: beside[person] for place, person in enumerate(persons) if person in beside})
    return Stored(persons, merge([Tallies(np.searchsorted(persons, stored.owner), stored.rows)]), facts)
