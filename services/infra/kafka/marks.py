"""By what a record is known again: an offset alone says nothing of the log that it belongs to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.topics import Partition
from services.infra.errors import UnavailableError
from services.infra.kafka.admin import log_ends
from services.infra.kafka.connection import client_options
from services.infra.settings import KafkaSettings

READ_S: Final = 20.0
"""A record is there within milliseconds; a broker that has just started needs seconds."""

POLL_MS: Final = 500


class Marked(Protocol):
    """What a mark is made of; aiokafka's ConsumerRecord satisfies it."""

    @property
    def timestamp(self) -> int:
        """Log-append time in milliseconds since 1970."""

    @property
    def key(self) -> bytes | None:
        """The record's key."""

    @property
    def value(self) -> bytes | None:
        """The record's value."""


def mark_of(record: Marked) -> int:
    """A signed number of 64 bits that another record has by chance once in 10^19."""
    digest = hashlib.sha256(b"%d\0%b\0" % (record.timestamp, record.key or b""))
    digest.update(record.value or b"")
    return int.from_bytes(digest.digest()[:8], "big", signed=True)


async def read_marks(settings: KafkaSettings, offsets: Mapping[Partition, int]) -> dict[Partition, int | None]:
    """The marks of the records at these offsets; None where the log has no record there any more.

    Every offset must lie inside the log. Raises UnavailableError.
    """
    if not offsets:
        return {}
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="none",
    )
    try:
        async with asyncio.timeout(READ_S):
            await consumer.start()
            try:
                return await _read(consumer, offsets)
            finally:
                await consumer.stop()
    except (KafkaError, TimeoutError, OSError) as error:
        raise UnavailableError(f"the log cannot be read ({error!r})") from error


async def _read(consumer: Any, offsets: Mapping[Partition, int]) -> dict[Partition, int | None]:  # noqa: ANN401 - untyped
    waiting = {TopicPartition(*partition): offset for partition, offset in offsets.items()}
    consumer.assign(list(waiting))
    for part, offset in waiting.items():
        consumer.seek(part, offset)
    found: dict[Partition, int | None] = {}
    while waiting:
        for part, records in (await consumer.getmany(timeout_ms=POLL_MS, max_records=len(waiting))).items():
            if part in waiting:
                same = records[0].offset == waiting.pop(part)
                found[part.topic, part.partition] = mark_of(records[0]) if same else None
                consumer.pause(part)
    return found


class KafkaLog:
    """What is asked of the log beside the records that it delivers."""

    def __init__(self, settings: KafkaSettings, topics: Sequence[str]) -> None:
        self._settings = settings
        self._topics = topics

    async def ends(self) -> dict[Partition, tuple[int, int]]:
        """First offset and end of every partition; raises UnavailableError."""
        return await log_ends(self._settings, self._topics)

    async def marks(self, offsets: Mapping[Partition, int]) -> dict[Partition, int | None]:
        """The marks of the records at these offsets; see read_marks."""
        return await read_marks(self._settings, offsets)
