"""Which events of a chunk are new: the insert of their rows is the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from services.aggregator.batch import Dead, conflict
from services.aggregator.eventcolumns import (
    EventColumns,
    event_columns,
    in_order,
    signed,
    touchpoint_copy,
)
from services.aggregator.names import Directory, Triple
from services.aggregator.records import Event
from services.aggregator.store import Transaction, micros


class Sifted(NamedTuple):
    """Events stored by this transaction; of the others, how many were the same and which had another body."""

    fresh: list[Event]
    columns: EventColumns
    """Of the fresh ones, in their order."""
    duplicates: int
    conflicts: list[Dead]


Refused = tuple[Event, int]
"""An event that was stored before, and the body hash stored with it."""


async def store_new(
    transaction: Transaction,
    events: Sequence[Event],
    *,
    directory: Directory,
    leaf_number: Mapping[Triple, int],
) -> Sifted:
    """Store the events that no transaction has stored; sorted, so that none waits for another in a circle."""
    timed, refused = await _first_seen(transaction, events)
    timed = in_order(timed)
    columns = event_columns(timed, directory=directory, leaf_number=leaf_number)
    if not timed:
        return _sifted([], columns, refused)
    rows = touchpoint_copy(timed, columns)
    known = await transaction.add_touchpoints(rows, count=len(timed))
    if not known:
        return _sifted(timed, columns, refused)
    stored = {
        (one.key, micros(one.occurred_at)): one.body_hash
        for one in known
        if one.occurred_at
    }
    hashes = [stored.get((event.key, event.occurred_us)) for event in timed]
    refused += [
        (event, body_hash)
        for event, body_hash in zip(timed, hashes, strict=True)
        if body_hash is not None
    ]
    keep = [position for position, body_hash in enumerate(hashes) if body_hash is None]
    columns = EventColumns(
        *(column[np.array(keep, dtype=np.int64)] for column in columns)
    )
    return _sifted([timed[position] for position in keep], columns, refused)


async def _first_seen(
    transaction: Transaction, events: Sequence[Event]
) -> tuple[list[Event], list[Refused]]:
    """Take out events without a time of their own whose source and id were seen in the last 30 days."""
    unowned = [event for event in events if not event.own_time]
    if not unowned:
        return list(events), []
    keys = [event.key for event in unowned]
    hashes = [signed(event.body_hash) for event in unowned]
    known = await transaction.add_seen(keys, hashes)
    seen = {one.key: one.body_hash for one in known}
    new = [event for event in events if event.own_time or event.key not in seen]
    old = [(event, seen[event.key]) for event in unowned if event.key in seen]
    return new, old


def _sifted(
    fresh: list[Event], columns: EventColumns, refused: Sequence[Refused]
) -> Sifted:
    conflicts = [
        conflict(event)
        for event, body_hash in refused
        if body_hash != signed(event.body_hash)
    ]
    return Sifted(fresh, columns, len(refused) - len(conflicts), conflicts)
