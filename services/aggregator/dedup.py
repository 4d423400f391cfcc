"""Which events of a chunk are new: the insert of their rows is the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.aggregator.batch import Dead, Placed, conflict
from services.aggregator.eventcolumns import (
    event_columns,
    in_order,
    signed,
    touchpoint_copy,
)
from services.aggregator.names import Directory, Triple
from services.aggregator.store import Transaction, micros


class Sifted(NamedTuple):
    """Events stored by this transaction; of the others, how many were the same and which had another body."""

    fresh: list[Placed]
    duplicates: int
    conflicts: list[Dead]


async def store_new(
    transaction: Transaction,
    events: Sequence[Placed],
    *,
    directory: Directory,
    leaf_number: Mapping[Triple, int],
) -> Sifted:
    """Store the events that no transaction has stored; sorted, so that none waits for another in a circle."""
    timed, refused = await _first_seen(transaction, events)
    if not timed:
        return _sifted([], refused)
    timed = in_order(timed)
    columns = event_columns(timed, directory=directory, leaf_number=leaf_number)
    known = await transaction.add_touchpoints(
        touchpoint_copy(timed, columns), count=len(timed)
    )
    if not known:
        return _sifted(timed, refused)
    at = {
        (one.key, micros(one.occurred_at)): one.body_hash
        for one in known
        if one.occurred_at
    }
    fresh = []
    for placed in timed:
        stored = at.get((placed.event.key, placed.event.occurred_us))
        if stored is None:
            fresh.append(placed)
        else:
            refused.append((placed, stored))
    return _sifted(fresh, refused)


async def _first_seen(
    transaction: Transaction, events: Sequence[Placed]
) -> tuple[list[Placed], list[tuple[Placed, int]]]:
    """Take out events without a time of their own whose source and id were seen in the last 30 days."""
    unowned = [placed for placed in events if not placed.event.own_time]
    if not unowned:
        return list(events), []
    keys = [placed.event.key for placed in unowned]
    hashes = [signed(placed.event.body_hash) for placed in unowned]
    seen = {one.key: one.body_hash for one in await transaction.add_seen(keys, hashes)}
    new = [
        placed
        for placed in events
        if placed.event.own_time or placed.event.key not in seen
    ]
    return new, [
        (placed, seen[placed.event.key])
        for placed in unowned
        if placed.event.key in seen
    ]


def _sifted(fresh: list[Placed], refused: Sequence[tuple[Placed, int]]) -> Sifted:
    conflicts = [
        conflict(placed)
        for placed, stored in refused
        if stored != signed(placed.event.body_hash)
    ]
    return Sifted(fresh, len(refused) - len(conflicts), conflicts)
