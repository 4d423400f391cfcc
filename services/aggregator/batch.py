"""A chunk as columns: decoded, with the twins inside the chunk found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.aggregator.ports import Chunk, Record
from services.aggregator.records import Event, Poison, read_record
from services.core.catalogue import Catalogue


class Dead(NamedTuple):
    """A record that is not counted, and why."""

    poison: Poison
    record: Record


class Batch(NamedTuple):
    """What a chunk holds: events that may be new, records that are dead, and how many were twins."""

    events: Sequence[Event]
    dead: Sequence[Dead]
    duplicates: int
    conflicts: int
    overridden: int
    unknown: int
    """Events of touchpoints that the catalogue lacks."""


CONFLICT = "conflict"


def conflict(event: Event) -> Dead:
    """The dead letter of an event whose source, id and time are known with another body."""
    detail = "source, id and time are those of another event with another body"
    return Dead(Poison(CONFLICT, detail, event.source, event.event_id), event.record)


def read_chunk(
    chunk: Chunk, *, catalogue: Catalogue, known: Mapping[str, object]
) -> Batch:
    """Decode every record; of events that are the same the first stays, in the log's order."""
    first: dict[tuple[bytes, int], bytes] = {}
    events: list[Event] = []
    dead: list[Dead] = []
    duplicates = conflicts = 0
    for record in chunk.records:
        event = read_record(record, catalogue=catalogue, known=known)
        if isinstance(event, Poison):
            dead.append(Dead(event, record))
            continue
        same = (event.key, event.occurred_us if event.own_time else -1)
        body_hash = first.setdefault(same, event.body_hash)
        if body_hash is event.body_hash:
            events.append(event)
        elif body_hash == event.body_hash:
            duplicates += 1
        else:
            conflicts += 1
            dead.append(conflict(event))
    unknown = sum(event.leaf[0] not in catalogue.entries for event in events)
    overridden = sum(event.overridden for event in events)
    return Batch(events, dead, duplicates, conflicts, overridden, unknown)
