"""Which events of a chunk are new: the insert of their rows is the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.batch import Batch, Dead, conflict, sameness
from services.aggregator.eventcolumns import (
    EventColumns,
    event_columns,
    in_order,
    touchpoint_copy,
)
from services.aggregator.names import Directory, Triple
from services.aggregator.records import Event
from services.aggregator.transaction import EPOCH, Known, Transaction, micros, signed

Refused = tuple[Event, int]
"""An event that is not new, and the hash of the body that is stored."""


class Sifted(NamedTuple):
    """Events stored by this transaction; of the others, how many were the same and which had another body."""

    fresh: list[Event]
    columns: EventColumns
    """Of the fresh ones, in their order."""
    duplicates: int
    conflicts: list[Dead]


async def store_new(
    transaction: Transaction,
    batch: Batch,
    *,
    directory: Directory,
    leaf_number: Mapping[Triple, int],
) -> Sifted:
    """Store the events that no transaction has stored; sorted, so that none waits for another in a circle."""
    timed, refused = await _first_seen(transaction, batch.events)
    timed = in_order(timed)
    columns = event_columns(timed, directory=directory, leaf_number=leaf_number)
    if timed:
        rows = touchpoint_copy(timed, columns)
        known = await transaction.add_touchpoints(rows, count=len(timed))
        if known:
            keep, stored = _apart(timed, known)
            refused += stored
            timed = [timed[position] for position in keep.tolist()]
            columns = EventColumns(*(column[keep] for column in columns))
    refused += _twins(batch, refused)
    conflicts = [
        conflict(event)
        for event, body_hash in refused
        if body_hash != signed(event.body_hash)
    ]
    return Sifted(timed, columns, len(refused) - len(conflicts), conflicts)


def _apart(
    timed: Sequence[Event], known: Sequence[Known]
) -> tuple[NDArray[np.int64], list[Refused]]:
    """The places of the events that this transaction stored, and the events that were there."""
    stored = {
        (one.key, micros(one.occurred_at)): one.body_hash
        for one in known
        if one.occurred_at
    }
    hashes = [stored.get((event.key, event.occurred_us)) for event in timed]
    keep = [place for place, body_hash in enumerate(hashes) if body_hash is None]
    refused = [
        (event, body_hash)
        for event, body_hash in zip(timed, hashes, strict=True)
        if body_hash is not None
    ]
    return np.array(keep, dtype=np.int64), refused


def _twins(batch: Batch, refused: Sequence[Refused]) -> list[Refused]:
    # A twin is measured against what is stored, not against its elder in the chunk, which may itself have been
    # refused: so it does not matter how the log is cut into chunks.
    if not batch.twins:
        return []
    truth = {sameness(event): signed(event.body_hash) for event in batch.events}
    truth |= {sameness(event): body_hash for event, body_hash in refused}
    return [(twin, truth[sameness(twin)]) for twin in batch.twins]


async def _first_seen(
    transaction: Transaction, events: Sequence[Event]
) -> tuple[list[Event], list[Refused]]:
    """Take out what was seen in the last 30 days: events without a time of their own, and retries of clamped ones."""
    unowned = [event for event in events if not event.own_time]
    known = await transaction.add_seen(unowned) if unowned else []
    seen = {(one.key, -1): one.body_hash for one in known}
    owned = [event for event in events if event.own_time]
    if owned:
        # A clock that ran ahead was clamped; its sender's retry a little later names the same time and is believed.
        for one in await transaction.clamped(owned):
            seen[one.key, micros(one.occurred_at or EPOCH)] = one.body_hash
    if not seen:
        return list(events), []
    new = [event for event in events if sameness(event) not in seen]
    old = [
        (event, seen[sameness(event)]) for event in events if sameness(event) in seen
    ]
    return new, old
