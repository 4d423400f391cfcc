"""A chunk as columns: decoded, with the twins inside the chunk found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.aggregator.counting.records import Event, Poison, read_record
from services.aggregator.processor import Chunk, Record
from services.core.catalogue import Catalogue
from services.state.dead_letters import DeadLetter


class Dead(NamedTuple):
    """A record that is not counted, and why."""

    poison: Poison
    record: Record

    @property
    def letter(self) -> DeadLetter:
        """What is kept of it."""
        record = self.record
        return DeadLetter(*self.poison, record.offset, record.key, record.value, record.headers)


class Batch(NamedTuple):
    """What a chunk holds: events that may be new, those that repeat one of them, and records that are dead."""

    events: Sequence[Event]
    twins: Sequence[Event]
    """The same as an earlier event of the chunk; what is stored tells duplicates from conflicts."""
    dead: Sequence[Dead]
    overridden: int
    """Events whose own valence was ignored, because the catalogue knows their touchpoint."""


CONFLICT = "conflict"

Sameness = tuple[bytes, int]
"""Hash of source and id, and the event's own time or -1."""


def sameness(event: Event) -> Sameness:
    """What makes two records the same event."""
    return event.key, event.occurred_us if event.own_time else -1


def conflict(event: Event) -> Dead:
    """The dead letter of an event whose source, id and time are known with another body."""
    detail = "source, id and time are those of another event with another body"
    return Dead(Poison(CONFLICT, detail, event.source, event.event_id), event.record)


def read_chunk(chunk: Chunk, *, catalogue: Catalogue, known: Mapping[str, object]) -> Batch:
    """Decode every record; of events that are the same the first stays, in the log's order."""
    seen: set[Sameness] = set()
    events: list[Event] = []
    twins: list[Event] = []
    dead: list[Dead] = []
    for record in chunk.records:
        event = read_record(record, catalogue=catalogue, known=known)
        if isinstance(event, Poison):
            dead.append(Dead(event, record))
            continue
        key = sameness(event)
        if key in seen:
            twins.append(event)
        else:
            seen.add(key)
            events.append(event)
    overridden = sum(event.overridden for event in events)
    return Batch(events, twins, dead, overridden)


def refused_by_ingest(chunk: Chunk) -> Batch:
    """What ingest refused, to be kept beside the worker's own dead letters."""
    return Batch([], [], [Dead(_reason(record), record) for record in chunk.records], 0)


def _reason(record: Record) -> Poison:
    told = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    return Poison(told.get("reason", "unknown"), told.get("detail", ""), told.get("source"))
