"""Which events of a chunk are new: the insert of their rows is the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.batch import Batch, Dead, Sameness, conflict, sameness
from services.aggregator.counting.event_columns import EventColumns, event_columns, in_order
from services.aggregator.counting.numbering import Directory
from services.aggregator.counting.ports import EventsPort
from services.aggregator.counting.records import Event
from services.core.instants import EPOCH, micros_of
from services.state.events import Known, signed
from services.state.leaves import Triple

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
    stored_events: EventsPort, batch: Batch, *, directory: Directory, leaf_number: Mapping[Triple, int]
) -> Sifted:
    """Store the events that no transaction has stored; sorted, so that none waits for another in a circle."""
    seen = await _seen(stored_events, batch.events)
    timed, refused = _divided(batch.events, seen)
    timed = in_order(timed)
    columns = event_columns(timed, directory=directory, leaf_number=leaf_number)
    if timed:
        known = await stored_events.add(timed, columns.numbers)
        if known:
            keep, stored = _apart(timed, known)
            refused += stored
            timed = [timed[position] for position in keep.tolist()]
            columns = columns.among(keep)
    refused += _twins(batch, refused, elders=seen.elders)
    conflicts = [conflict(event) for event, body_hash in refused if body_hash != signed(event.body_hash)]
    return Sifted(timed, columns, len(refused) - len(conflicts), conflicts)


def _divided(events: Sequence[Event], seen: _Seen) -> tuple[Sequence[Event], list[Refused]]:
    """The events that may be new, and those that are not."""
    if not seen.old and not seen.elders:
        return events, []
    named = [(event, sameness(event)) for event in events]
    new = [event for event, name in named if name not in seen.old and name not in seen.elders]
    return new, [(event, seen.old[name]) for event, name in named if name in seen.old]


def _apart(timed: Sequence[Event], known: Sequence[Known]) -> tuple[NDArray[np.int64], list[Refused]]:
    """The places of the events that this transaction stored, and the events that were there."""
    stored = {(one.key, micros_of(one.occurred_at)): one.body_hash for one in known if one.occurred_at}
    hashes = [stored.get((event.key, event.occurred_us)) for event in timed]
    keep = [place for place, body_hash in enumerate(hashes) if body_hash is None]
    refused = [(event, body_hash) for event, body_hash in zip(timed, hashes, strict=True) if body_hash is not None]
    return np.array(keep, dtype=np.int64), refused


def _twins(batch: Batch, refused: Sequence[Refused], *, elders: Mapping[Sameness, Sameness]) -> list[Refused]:
    # A twin is measured against what is stored, not against its elder in the chunk, which may itself have been
    # refused: so it does not matter how the log is cut into chunks.
    if not batch.twins and not elders:
        return []
    truth = {sameness(event): signed(event.body_hash) for event in batch.events}
    truth |= {sameness(event): body_hash for event, body_hash in refused}
    truth |= {name: truth[elder] for name, elder in elders.items()}
    younger = [event for event in batch.events if sameness(event) in elders]
    return [(twin, truth[sameness(twin)]) for twin in (*younger, *batch.twins)]


class _Seen(NamedTuple):
    """Events that are known otherwise than by their row: stored hashes, and elders that stand in the same chunk."""

    old: dict[Sameness, int]
    elders: dict[Sameness, Sameness]


async def _seen(stored_events: EventsPort, events: Sequence[Event]) -> _Seen:
    """Find what was seen in the last 30 days: events without a time of their own, and clamped ones with their retries.

    Where a sender's clock runs ahead, or ours behind, the same event is clamped once and believed another time.
    Whichever of the two the log has first is the one that counts.
    """
    timeless = [event for event in events if not event.own_time]
    timed = [event for event in events if event.own_time] if timeless else events
    seen = await _seen_timeless(stored_events, timeless, timed) if timeless else _Seen({}, {})
    retried = await stored_events.clamped(timed) if timed else []
    if retried:
        ours = {sameness(event) for event in timed} - set(seen.elders.values())
        for one in retried:
            name = (one.key, micros_of(one.occurred_at or EPOCH))
            if name in ours:
                seen.old[name] = one.body_hash
    return seen


async def _seen_timeless(stored_events: EventsPort, timeless: Sequence[Event], timed: Sequence[Event]) -> _Seen:
    known = await stored_events.add_seen(timeless)
    old = {(one.key, -1): one.body_hash for one in known}
    clamped = [event for event in timeless if event.client_us is not None and sameness(event) not in old]
    if not clamped:
        return _Seen(old, {})
    believed = {one.key: one.body_hash for one in await stored_events.believed(clamped)}
    ours = {sameness(event): event for event in timed}
    elders: dict[Sameness, Sameness] = {}
    for event in clamped:
        elder = ours.get((event.key, event.client_us or 0))
        if event.key in believed:
            old[sameness(event)] = believed[event.key]
        elif elder and elder.record.offset < event.record.offset:
            elders[sameness(event)] = sameness(elder)
            believed[event.key] = signed(elder.body_hash)
    if believed:
        await stored_events.correct_seen(believed)
    return _Seen(old, elders)
