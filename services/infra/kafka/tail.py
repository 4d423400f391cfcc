"""Read what topics take from a moment on, beside everybody else: without a group, and without leaving a trace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.infra.errors import ConfigurationError
from services.infra.kafka.admin import log_ends
from services.infra.kafka.connection import client_options, why_away
from services.infra.settings import KafkaSettings

POLL_MS: Final = 200
"""How soon an idle reader looks up; a record that comes meanwhile is handed over at once."""


class TailRecord(NamedTuple):
    """A record that a topic has just taken."""

    topic: str
    timestamp: int
    """Log-append time in milliseconds since 1970."""
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@asynccontextmanager
async def tail(settings: KafkaSettings, topics: Sequence[str]) -> AsyncIterator[AsyncIterator[TailRecord]]:
    """Give the records that the topics take from here on, partition by partition, for ever.

    While the brokers are away nothing comes, and afterwards what they took. Raises UnavailableError when they are away at
    the start, ConfigurationError for what keeps us out of them.
    """
    ends = await log_ends(settings, topics)
    missing = sorted(set(topics) - {topic for topic, _ in ends})
    if missing:
        raise ConfigurationError(f"the log has no topic {', '.join(missing)}; run `tactus topics apply`")
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="latest",
    )
    try:
        await consumer.start()
    except (KafkaError, OSError) as error:
        await consumer.stop()
        raise await why_away(settings) from error
    try:
        consumer.assign([TopicPartition(*partition) for partition in ends])
        for partition, (_, end) in ends.items():
            consumer.seek(TopicPartition(*partition), end)
        yield _records(consumer)
    finally:
        await consumer.stop()


async def _records(consumer: Any) -> AsyncIterator[TailRecord]:  # noqa: ANN401 - untyped
    while True:
        for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                yield TailRecord(record.topic, record.timestamp, record.value, record.headers)
