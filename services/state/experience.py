"""What a person has lived through: tallies and facts of all its identities, and the newest events behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np

from services.core.catalogue import Catalogue
from services.core.dimensions import Leaves
from services.core.facts import NO_FACTS, Facts
from services.core.instants import EPOCH
from services.core.tallies import LEAF, Tallies, fold, merge
from services.state.database import Snapshot
from services.state.events import LatestEvent
from services.state.facts import facts_of_persons
from services.state.leaves import LeafRow
from services.state.persons import Person

FIRST_INSTANT: Final = datetime.min.replace(tzinfo=EPOCH.tzinfo)
LAST_INSTANT: Final = datetime.max.replace(tzinfo=EPOCH.tzinfo)


NAMES_MAX: Final = 120_000
"""Leaves of one person that an answer is read from: each takes half a KiB while it is made, and six microseconds."""


FACT_ROWS: Final = 50
"""As many tallies as a fact counts for where answers are bounded: so much longer it takes to be read."""

NOT_STORED: Final = 0
"""Stands for the number of a leaf that only promises are felt at: no event is of it."""


class Stored(NamedTuple):
    """Tallies and facts as they are stored, by the owner that they are read for, and the tallies' leaves, in text order."""

    tallies: Tallies
    facts: Facts
    leaves: Sequence[LeafRow]

    @property
    def size(self) -> int:
        """How much there is to read, in rows."""
        return len(self.tallies.rows) + FACT_ROWS * sum(len(one.facts) for one in self.facts.people.values())


class Experience(NamedTuple):
    """What scores are read from; leaf numbers in the rows are positions in `leaves`, which are in text order."""

    tallies: Tallies
    facts: Facts
    leaves: Leaves
    stored_leaves: Sequence[int]
    """By the same positions; NOT_STORED for a leaf that no event is of."""


async def stored_of(
    snapshot: Snapshot, person: Person, *, after_hour: int, until_hour: int, rows_max: int
) -> Stored | None:
    """Read the tallies of all the person's identities in the hours (after_hour, until_hour], their leaves, and all facts.

    None when there are more rows than `rows_max`, or more leaves than NAMES_MAX.
    """
    hours = (after_hour, until_hour)
    tallies = await snapshot.tallies.of_persons([person.number], hours=hours, rows_max=rows_max + 1)
    if len(tallies.rows) > rows_max:
        return None
    beside = await _beside(snapshot, person, rows_max=rows_max)
    leaves = await snapshot.leaves.of_person(person.number, hours=hours, rows_max=NAMES_MAX + 1)
    stored = Stored(Tallies(np.zeros(len(tallies.rows), dtype=np.int64), tallies.rows), beside, leaves)
    return None if len(leaves) > NAMES_MAX or stored.size > rows_max else stored


async def known_of(
    snapshot: Snapshot, person: Person, *, after_hour: int, until_hour: int, by_hour: int, rows_max: int
) -> Stored | None:
    """Read what `stored_of` would have read at the end of an hour: what had been received by then, event by event.

    A tally does not know when its events arrived. None when there are more events than `rows_max`.
    """
    felt = await snapshot.felt.of_persons(
        [person.number],
        since=start_of(after_hour + 1),
        until=start_of(until_hour + 1),
        received_before=start_of(by_hour + 1),
        rows_max=rows_max + 1,
    )
    if len(felt.leaf) > rows_max:
        return None
    tallies = fold(owner=np.zeros_like(felt.leaf), leaf=felt.leaf, hour=felt.hour, v=felt.v, q=felt.q)
    leaves = await snapshot.leaves.numbered(np.unique(felt.leaf).tolist())
    beside = (await _beside(snapshot, person, rows_max=rows_max)).known_by(by_hour)
    stored = Stored(tallies, beside, sorted(leaves, key=lambda leaf: leaf.triple))
    return None if stored.size > rows_max else stored


async def _beside(snapshot: Snapshot, person: Person, *, rows_max: int) -> Facts:
    facts = await facts_of_persons(snapshot.facts, [person.number], facts_max=rows_max // FACT_ROWS + 1)
    return Facts(dict(enumerate(facts.values()))) if facts else NO_FACTS


def experience_of(stored: Stored, *, catalogue: Catalogue) -> Experience:
    """Make what scores are read from: what takes longest of an answer.

    The stored rows are renumbered where they stand: a copy of a large history is as large again.
    """
    known = {leaf.triple for leaf in stored.leaves}
    felt = [LeafRow(NOT_STORED, *leaf) for leaf in stored.facts.leaves(catalogue) - known]
    rows = sorted([*stored.leaves, *felt], key=lambda row: row.triple) if felt else stored.leaves
    numbers = np.array([leaf.number for leaf in rows], dtype=np.int64)
    by_number = np.argsort(numbers)
    cells = stored.tallies.rows
    cells[:, LEAF] = by_number[np.searchsorted(numbers[by_number], cells[:, LEAF])]
    # Identities of one person may have lived the same hour: their tallies are added before the cap is applied.
    return Experience(
        tallies=merge([stored.tallies]),
        facts=stored.facts,
        leaves=Leaves.of(catalogue, (leaf.triple for leaf in rows)),
        stored_leaves=numbers.tolist(),
    )


async def latest_of(
    snapshot: Snapshot,
    identities: Sequence[int],
    *,
    leaves: Sequence[int],
    hours: tuple[int, int],
    each: int,
    by_hour: int | None = None,
) -> Mapping[int, Sequence[LatestEvent]]:
    """Read the newest events behind each of these leaves, by the leaf's stored number, in the hours (after, until].

    With `by_hour`, of those that had been received by its end.
    """
    return await snapshot.events.latest(
        identities,
        leaves=leaves,
        since=start_of(hours[0] + 1),
        until=start_of(hours[1] + 1),
        received_before=LAST_INSTANT if by_hour is None else start_of(by_hour + 1),
        each=each,
    )


def start_of(hour: int) -> datetime:
    """Give the first instant of an hour since 1970, or the last that there is before or after."""
    try:
        return EPOCH + timedelta(hours=hour)
    except OverflowError:
        return LAST_INSTANT if hour > 0 else FIRST_INSTANT
