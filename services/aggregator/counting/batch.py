"""A chunk as columns: decoded, with the twins inside the chunk found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from schemas import dead_letter
from services.aggregator.counting.records import Event, Poison, read_record
from services.aggregator.processor import Chunk, Record
from services.core.catalogue import Catalogue
from services.state.dead_letters import DeadLetter
from services.state.leaves import Triple


class Dead(NamedTuple):
    """A record that is not counted, and why."""

    poison: Poison
    record: Record

    @property
    def letter(self) -> DeadLetter:
        """What is kept of it."""
        record = self.record
        return DeadLetter(*self.poison, record.offset, record.key, record.value, record.headers)


class LoneRecord(NamedTuple):
    """A record without what could not be kept of it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Batch(NamedTuple):
    """What a chunk holds: events that may be new, those that repeat one of them, and records that are dead."""

    events: Sequence[Event]
    twins: Sequence[Event]
    """The same as an earlier event of the chunk; what is stored tells duplicates from conflicts."""
    dead: Sequence[Dead]
    overridden: int
    """Events whose own valence was ignored, because the catalogue knows their touchpoint."""


CONFLICT = "conflict"


def conflict(event: Event) -> Dead:
    """The dead letter of an event whose source and id are known with another body."""
    detail = "source and id are those of another event with another body"
    return Dead(Poison(CONFLICT, detail, event.source, event.event_id), event.record)


def read_chunk(chunk: Chunk, *, catalogue: Catalogue, known: Mapping[str, object]) -> Batch:
    """Decode every record; of events that are the same the first stays, in the log's order.

    The chunk spans at most the days for which source and id alone name an event.
    """
    events: list[Event] = []
    dead: list[Dead] = []
    for record in chunk.records:
        event = read_record(record, catalogue=catalogue, known=known)
        if isinstance(event, Poison):
            dead.append(Dead(event, record))
        else:
            events.append(event)
    return _without_twins(events, dead)


def set_aside(batch: Batch, leaves: Collection[Triple], *, why: Callable[[Event], Poison]) -> Batch:
    """Take the events of these leaves out of the batch; of others that were their twins, the first then stays."""
    events = sorted((*batch.events, *batch.twins), key=lambda event: event.record.offset)
    dead = [*batch.dead, *(Dead(why(event), event.record) for event in events if event.leaf in leaves)]
    return _without_twins([event for event in events if event.leaf not in leaves], dead)


def _without_twins(events: Iterable[Event], dead: Sequence[Dead]) -> Batch:
    seen: set[bytes] = set()
    firsts: list[Event] = []
    twins: list[Event] = []
    for event in events:
        if event.key in seen:
            twins.append(event)
        else:
            seen.add(event.key)
            firsts.append(event)
    return Batch(firsts, twins, dead, sum(event.overridden for event in firsts))


def refused_by_ingest(chunk: Chunk) -> Batch:
    """What ingest refused, to be kept beside the worker's own dead letters."""
    return Batch([], [], [Dead(_reason(record), record) for record in chunk.records], 0)


def _reason(record: Record) -> Poison:
    told = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    return Poison(
        told.get(dead_letter.REASON, "unknown"), told.get(dead_letter.DETAIL, ""), told.get(dead_letter.SOURCE)
    )


def unforeseen(record: Record, error: Exception) -> Batch:
    """A record that can be neither counted nor refused in words: kept by itself, so that its partition goes on.

    Its headers may be what could not be stored; they stay in the log.
    """
    stranger = LoneRecord(record.offset, record.timestamp, record.key, record.value, ())
    return Batch([], [], [Dead(Poison("unforeseen", type(error).__name__), stranger)], 0)
