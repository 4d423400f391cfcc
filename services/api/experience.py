"""What a person has lived through: tallies of all its identities, and the newest events behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np

from services.core.instants import EPOCH
from services.core.tallies import LEAF, Tallies, merge
from services.state.database import Snapshot
from services.state.events import LatestEvent
from services.state.persons import Person

FIRST_INSTANT: Final = datetime.min.replace(tzinfo=EPOCH.tzinfo)
LAST_INSTANT: Final = datetime.max.replace(tzinfo=EPOCH.tzinfo)


class Experience(NamedTuple):
    """A person's tallies; leaf numbers in the rows are positions in `triples`, which is in text order."""

    tallies: Tallies
    triples: tuple[tuple[str, str, str], ...]
    stored_leaves: tuple[int, ...]


async def experience_of(snapshot: Snapshot, person: Person, *, after_hour: int, until_hour: int) -> Experience:
    """Read the tallies of all the person's identities in the hours (after_hour, until_hour]."""
    stored = await snapshot.tallies.of_persons([person.number], hours=(after_hour, until_hour))
    cells = stored.rows
    ordered = sorted(
        (leaf.triple, leaf.number) for leaf in await snapshot.leaves.numbered(np.unique(cells[:, LEAF]).tolist())
    )
    position = {number: index for index, (_, number) in enumerate(ordered)}
    cells[:, LEAF] = [position[number] for number in cells[:, LEAF].tolist()]
    # Identities of one person may have lived the same hour: their tallies are added before the cap is applied.
    return Experience(
        tallies=merge([Tallies(np.zeros(len(cells), dtype=np.int64), cells)]),
        triples=tuple(triple for triple, _ in ordered),
        stored_leaves=tuple(number for _, number in ordered),
    )


async def latest_of(
    snapshot: Snapshot, person: Person, *, from_hour: int, until_hour: int, each: int
) -> Mapping[int, Sequence[LatestEvent]]:
    """Read the newest events behind each leaf, by the leaf's stored number."""
    since, until = _start_of(from_hour), _start_of(until_hour + 1)
    return await snapshot.events.latest([*person.identities], since=since, until=until, each=each)


def _start_of(hour: int) -> datetime:
    try:
        return EPOCH + timedelta(hours=hour)
    except OverflowError:
        return LAST_INSTANT if hour > 0 else FIRST_INSTANT
