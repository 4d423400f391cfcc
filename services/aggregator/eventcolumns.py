"""Events and scores as columns, and as the rows Postgres copies in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.batch import Placed
from services.aggregator.copying import (
    POSTGRES_EPOCH_US,
    fixed_copy,
    fixed_rows,
    mixed_copy,
    text_field,
)
from services.aggregator.names import Directory, Triple
from services.aggregator.records import HOUR_US
from services.core import scoring

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


def in_order(events: Sequence[Placed]) -> list[Placed]:
    """Sort by (time, key), the order of the unique index: two transactions then cannot wait for each other."""
    occurred = np.array([placed.event.occurred_us for placed in events], dtype=np.int64)
    key = np.frombuffer(b"".join([placed.event.key for placed in events]), dtype=">u8")
    order = np.lexsort((key[1::2], key[::2], occurred))
    return [events[position] for position in order.tolist()]


def event_columns(
    events: Sequence[Placed], *, directory: Directory, leaf_number: Mapping[Triple, int]
) -> EventColumns:
    """The numbers of the events, in their order."""
    who = [directory[placed.event.subject] for placed in events]
    fields = [
        (event.occurred_us, event.v, event.q, leaf_number[event.leaf])
        for event, _ in events
    ]
    known = np.array(who, dtype=np.int64).reshape(-1, 2)
    numbers = np.array(fields, dtype=np.int64).reshape(-1, 4)
    return EventColumns(
        identity=known[:, 0],
        person=known[:, 1],
        leaf=numbers[:, 3],
        occurred_us=numbers[:, 0],
        v=numbers[:, 1],
        q=numbers[:, 2],
    )


def touchpoint_copy(events: Sequence[Placed], columns: EventColumns) -> BytesIO:
    """The rows of `touchpoint_row` as a binary COPY."""
    received = np.array([placed.event.received_us for placed in events], dtype=np.int64)
    fixed = fixed_rows(
        [
            ("timestamptz", columns.occurred_us - POSTGRES_EPOCH_US),
            ("timestamptz", received - POSTGRES_EPOCH_US),
            (
                "uuid",
                np.frombuffer(
                    b"".join([placed.event.key for placed in events]), dtype="V16"
                ),
            ),
            ("bigint", columns.identity),
            (
                "bigint",
                np.frombuffer(
                    b"".join([placed.event.body_hash for placed in events]), dtype=">i8"
                ),
            ),
            ("integer", columns.leaf),
            ("integer", columns.v),
            ("integer", columns.q),
        ],
        extra_fields=TEXT_FIELDS,
    )
    sources: dict[str, bytes] = {}
    tails = []
    for event, record in events:
        source = sources.get(event.source)
        if source is None:
            source = sources[event.source] = text_field(event.source.encode())
        tails.append(
            source
            + text_field(event.event_id.encode())
            + text_field(record.value or b"")
        )
    return mixed_copy(fixed, tails)


def score_copy(
    persons: Integers,
    readings: Sequence[scoring.Reading[Floats]],
    *,
    version: int,
    model: int,
    at_hour: int,
) -> BytesIO:
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


def signed(body_hash: bytes) -> int:
    """A body hash as the bigint that Postgres keeps."""
    return int.from_bytes(body_hash, "big", signed=True)
