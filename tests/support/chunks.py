"""Chunks as the log would hand them to a worker, built by tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from schemas.topics import EVENTS
from services.aggregator.processor import Chunk


class LogRecord(NamedTuple):
    """What aiokafka's ConsumerRecord tells the pipeline."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def event(  # noqa: PLR0913 - each is a fact of the event that some test varies
    event_id: str,
    *,
    time: str,
    identities: Sequence[str] = ("customer:c-1",),
    touchpoint: str = "order.completed",
    place: str = "",
    source: str = "shop",
    extra: Mapping[str, object] | None = None,
    envelope: Mapping[str, object] | None = None,
) -> bytes:
    """The value of one record, as ingest writes it; the first identity is the subject."""
    named = [dict(zip(("kind", "value"), one.split(":", 1), strict=True)) for one in identities]
    data: dict[str, object] = {"touchpoint": touchpoint, "channel": "web", "identities": named, **(extra or {})}
    if place:
        data["place"] = place
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": source,
            "type": "tactus.touchpoint.v1",
            "time": time,
            "subject": identities[0],
            "datacontenttype": "application/json",
            "receivedat": time,
            "data": data,
            **(envelope or {}),
        },
        order="deterministic",
    )


def chunk(values: Iterable[bytes | None], *, first: int = 0, part: int = 0, topic: str = EVENTS, at_ms: int) -> Chunk:
    """A dense run of records that the log took at one moment."""
    records = [LogRecord(first + place, at_ms, b"key", value) for place, value in enumerate(values)]
    return Chunk(topic, part, first, first + len(records), records)
