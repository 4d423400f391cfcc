"""Events and scores as columns, and as the rows Postgres copies in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.numbering import Directory, Triple
from services.aggregator.counting.records import HOUR_US, Event
from services.core import scoring
from services.state.copying import POSTGRES_EPOCH_US, fixed_copy, fixed_rows, length_of, mixed_copy, text_field

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

TEXT_FIELDS: Final = 3


class EventColumns(NamedTuple):
    """A chunk's events, one position each, in the order of (time, key)."""

    identity: Integers
    person: Integers
    leaf: Integers
    occurred_us: Integers
    v: Integers
    q: Integers

    @property
    def hour(self) -> Integers:
        """Hours since 1970."""
        return self.occurred_us // HOUR_US


def in_order(events: Sequence[Event]) -> list[Event]:
    """Sort by (time, key), the order of the unique index: two transactions then cannot wait for each other."""
    occurred = np.array([event.occurred_us for event in events], dtype=np.int64)
    key = np.frombuffer(b"".join([event.key for event in events]), dtype=">u8")
    order = np.lexsort((key[1::2], key[::2], occurred))
    return [events[position] for position in order.tolist()]


def event_columns(events: Sequence[Event], *, directory: Directory, leaf_number: Mapping[Triple, int]) -> EventColumns:
    """The numbers of the events, in their order."""
    who = [directory[event.subject] for event in events]
    fields = [(event.occurred_us, event.v, event.q, leaf_number[event.leaf]) for event in events]
    known = np.fromiter(chain.from_iterable(who), np.int64, 2 * len(who))
    known = known.reshape(-1, 2)
    numbers = np.fromiter(chain.from_iterable(fields), np.int64, 4 * len(fields))
    numbers = numbers.reshape(-1, 4)
    return EventColumns(
        identity=known[:, 0],
        person=known[:, 1],
        leaf=numbers[:, 3],
        occurred_us=numbers[:, 0],
        v=numbers[:, 1],
        q=numbers[:, 2],
    )


def touchpoint_copy(events: Sequence[Event], columns: EventColumns) -> bytes:
    """The rows of `touchpoint_row` as a binary COPY."""
    received = np.array([event.received_us for event in events], dtype=np.int64)
    fixed = fixed_rows(
        [
            ("timestamptz", columns.occurred_us - POSTGRES_EPOCH_US),
            ("timestamptz", received - POSTGRES_EPOCH_US),
            ("uuid", np.frombuffer(b"".join([event.key for event in events]), dtype="V16")),
            ("bigint", columns.identity),
            ("bigint", np.frombuffer(b"".join([event.body_hash for event in events]), dtype=">i8")),
            ("integer", columns.leaf),
            ("integer", columns.v),
            ("integer", columns.q),
        ],
        extra_fields=TEXT_FIELDS,
    )
    sources = {source: text_field(source) for source in {event.source for event in events}}
    tails = []
    for event in events:
        event_id, body = event.event_id.encode(), event.record.value or b""
        source = sources[event.source]
        tails.append(b"%b%b%b%b%b" % (source, length_of(len(event_id)), event_id, length_of(len(body)), body))
    return mixed_copy(fixed, tails)


def score_copy(
    persons: Integers, readings: Sequence[scoring.Reading[Floats]], *, version: int, model: int, at_hour: int
) -> bytes:
    """The rows of `incoming_score` as a binary COPY; readings are the overall one, then the windows."""
    whole, *windows = readings
    count = len(persons)
    columns: list[tuple[str, Integers | Floats]] = [
        ("bigint", persons),
        ("bigint", np.full(count, version)),
        ("smallint", np.full(count, model)),
        ("smallint", scoring.bands(whole.score, whole.confidence)),
        ("integer", np.full(count, at_hour)),
        ("double", whole.score),
        ("double", whole.confidence),
        ("double", whole.se),
    ]
    for window in windows:
        columns += [("double", window.score), ("double", window.confidence)]
    return fixed_copy(columns)
