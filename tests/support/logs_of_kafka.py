"""Topics of a test's own in the shared broker: make, fill, shorten, delete."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from services.infra.kafka import log_ends
from services.infra.settings import KafkaSettings
from tests.support.waiting import eventually


class TestTopic:
    """A topic with a random name, and what a test does to it."""

    __test__ = False  # pytest would take it for a suite

    def __init__(self, bootstrap: str, *, partitions: int, configs: Mapping[str, str] | None = None) -> None:
        self.bootstrap = bootstrap
        self.partitions = partitions
        self.configs = dict(configs or {})
        self.name = f"test.{uuid.uuid4().hex[:12]}"
        self.group = f"group.{self.name}"

    async def create(self) -> None:
        async with administration(self.bootstrap) as admin:
            await admin.create_topics([NewTopic(self.name, self.partitions, 1, topic_configs=self.configs)])
        await eventually(self._has_leaders, what=f"{self.name} has leaders")

    async def write(self, values: Sequence[bytes], *, part: int | None = None) -> None:
        """Append values, round robin over the partitions or to one of them."""
        async with producing(self.bootstrap) as producer:
            await self._send(producer, values, part=part)

    async def write_until(self, enough: asyncio.Event) -> list[bytes]:
        """Append about a thousand values a second until it is enough; returns them all."""
        sent: list[bytes] = []
        async with producing(self.bootstrap) as producer:
            while not enough.is_set():
                more = [b"value %d" % number for number in range(len(sent), len(sent) + 100)]
                await self._send(producer, more, part=None)
                sent += more
                await asyncio.sleep(0.1)
        return sent

    async def _send(self, producer: AIOKafkaProducer, values: Sequence[bytes], *, part: int | None) -> None:
        sent = [
            await producer.send(self.name, value, partition=number % self.partitions if part is None else part)
            for number, value in enumerate(values)
        ]
        await asyncio.gather(*sent)

    async def remove_before(self, part: int, offset: int) -> None:
        """What retention does: the log then starts at `offset`."""
        async with administration(self.bootstrap) as admin:
            await admin.delete_records({TopicPartition(self.name, part): RecordsToDelete(offset)})

    async def _has_leaders(self) -> bool:
        return len(await log_ends(KafkaSettings(bootstrap=self.bootstrap), [self.name])) == self.partitions


@asynccontextmanager
async def producing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def administration(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def own_topic(
    bootstrap: str, *, partitions: int = 4, configs: Mapping[str, str] | None = None
) -> AsyncIterator[TestTopic]:
    topic = TestTopic(bootstrap, partitions=partitions, configs=configs)
    await topic.create()
    yield topic
    async with administration(bootstrap) as admin:
        await admin.delete_topics([topic.name])
