"""The peer without a framework: a bare aiokafka loop around the same pipeline."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.contender import Lanes, cut, open_pipeline, settle_garbage
from schemas.topics import EVENTS
from services.infra.settings import Settings


async def run(settings: Settings) -> None:
    """Consume the topic to its end."""
    consumer = AIOKafkaConsumer(
        EVENTS,
        bootstrap_servers=settings.kafka.bootstrap,
        group_id="bench-aiokafka",
        auto_offset_reset="earliest",
        enable_auto_commit=True,
        auto_commit_interval_ms=1000,
        max_partition_fetch_bytes=settings.aggregator.fetch_bytes,
        fetch_max_bytes=settings.aggregator.fetch_bytes * settings.kafka.partitions,
    )
    await consumer.start()
    while not consumer.assignment():
        await consumer.getmany(timeout_ms=100, max_records=1)
        await consumer.seek_to_beginning()
    ends = {tp.partition: end for tp, end in (await consumer.end_offsets(list(consumer.assignment()))).items()}
    pipeline = await open_pipeline(settings, ends)
    lanes = Lanes(pipeline, lanes=settings.aggregator.lanes)
    position = dict.fromkeys(ends, 0)
    await consumer.seek_to_beginning(*(TopicPartition(EVENTS, part) for part in ends))
    size = settings.aggregator.chunk_events_max
    while position != ends:
        polled = await consumer.getmany(timeout_ms=500, max_records=size * len(ends))
        for partition, records in polled.items():
            for chunk in cut(partition.partition, records, first=position[partition.partition], size=size):
                await lanes.put(chunk)
                position[partition.partition] = chunk.next
    await lanes.drain()
    await consumer.stop()
    await pipeline.close()


if __name__ == "__main__":
    settle_garbage()
    asyncio.run(run(Settings()))
