"""A chunk as columns: decoded, with the twins inside the chunk found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.aggregator.ports import Chunk, Record
from services.aggregator.records import Event, Poison, read_record
from services.core.catalogue import Catalogue


class Placed(NamedTuple):
    """An event with the record it came from."""

    event: Event
    record: Record


class Dead(NamedTuple):
    """A record that is not counted, and why."""

    poison: Poison
    record: Record


class Batch(NamedTuple):
    """What a chunk holds: events that may be new, records that are dead, and how many were twins."""

    events: Sequence[Placed]
    dead: Sequence[Dead]
    duplicates: int
    conflicts: int
    overridden: int
    unknown: int
    """Events of touchpoints that the catalogue lacks."""


CONFLICT = "conflict"


def conflict(placed: Placed) -> Dead:
    """The dead letter of an event whose source, id and time are known with another body."""
    event = placed.event
    detail = "source, id and time are those of another event with another body"
    return Dead(Poison(CONFLICT, detail, event.source, event.event_id), placed.record)


def read_chunk(
    chunk: Chunk, *, catalogue: Catalogue, known: dict[str, tuple[int, int]]
) -> Batch:
    """Decode every record; of events that are the same the first stays, in the log's order."""
    first: dict[tuple[bytes, int], bytes] = {}
    events: list[Placed] = []
    dead: list[Dead] = []
    duplicates = conflicts = overridden = 0
    for record in chunk.records:
        event = read_record(record.value, catalogue=catalogue, known=known)
        if isinstance(event, Poison):
            dead.append(Dead(event, record))
            continue
        identity = (event.key, event.occurred_us if event.own_time else -1)
        body_hash = first.setdefault(identity, event.body_hash)
        placed = Placed(event, record)
        if body_hash is event.body_hash:
            events.append(placed)
            overridden += event.overridden
        elif body_hash == event.body_hash:
            duplicates += 1
        else:
            conflicts += 1
            dead.append(conflict(placed))
    unknown = sum(placed.event.leaf[0] not in catalogue.entries for placed in events)
    return Batch(events, dead, duplicates, conflicts, overridden, unknown)
