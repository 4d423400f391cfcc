"""Topics of a test's own in the shared broker: make, fill, shorten, delete."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from services.infra.kafka import log_ends
from tests.support.waiting import eventually


class TestTopic:
    """A topic with a random name, and what a test does to it."""

    __test__ = False  # pytest would take it for a suite

    def __init__(self, bootstrap: str, *, partitions: int) -> None:
        self.bootstrap = bootstrap
        self.partitions = partitions
        self.name = f"test.{uuid.uuid4().hex[:12]}"
        self.group = f"group.{self.name}"

    async def create(self) -> None:
        async with administration(self.bootstrap) as admin:
            await admin.create_topics([NewTopic(self.name, self.partitions, 1)])
        await eventually(self._has_leaders, what=f"{self.name} has leaders")

    async def write(self, values: list[bytes], *, part: int | None = None) -> None:
        """Append values, round robin over the partitions or to one of them."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5)
        await producer.start()
        try:
            sent = [
                await producer.send(
                    self.name, value, partition=number % self.partitions if part is None else part
                )
                for number, value in enumerate(values)
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def remove_before(self, part: int, offset: int) -> None:
        """What retention does: the log then starts at `offset`."""
        async with administration(self.bootstrap) as admin:
            await admin.delete_records({TopicPartition(self.name, part): RecordsToDelete(offset)})

    async def _has_leaders(self) -> bool:
        return len(await log_ends(self.bootstrap, [self.name])) == self.partitions


@asynccontextmanager
async def administration(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def own_topic(bootstrap: str, *, partitions: int = 4) -> AsyncIterator[TestTopic]:
    topic = TestTopic(bootstrap, partitions=partitions)
    await topic.create()
    yield topic
    async with administration(bootstrap) as admin:
        await admin.delete_topics([topic.name])
