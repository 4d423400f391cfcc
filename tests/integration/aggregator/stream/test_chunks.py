"""Chunked consuming on a real broker, with a processor that keeps what it is given."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance
from aiokafka.errors import KafkaError
from confluent_kafka import Producer

from schemas.topics import Partition
from services.aggregator.processor import Bounds, Chunk
from services.aggregator.stream.app import AggregatorApp, create_app
from services.aggregator.stream.chain import OUT_MAX
from services.aggregator.stream.chunks import ChunkConsumer
from services.infra.errors import ConfigurationError, FencedError, UnavailableError
from services.infra.kafka import group_offsets
from services.infra.settings import KafkaSettings, Settings
from tests.support.fenced_ledger import FencedLedger, opened
from tests.support.logs_of_kafka import TestTopic, own_topic
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

CODECS = ("gzip", "lz4", "snappy", "zstd")
"""All that Kafka has."""


@pytest.fixture
async def topic(kafka_bootstrap: str) -> AsyncIterator[TestTopic]:
    async with own_topic(kafka_bootstrap) as made:
        yield made


@pytest.fixture
def ledger(tmp_path: Path) -> FencedLedger:
    return FencedLedger(tmp_path / "ledger.db")


@asynccontextmanager
async def running(
    topic: TestTopic, ledger: FencedLedger, *, chunk_events_max: int = 6000, lanes: int = 4
) -> AsyncIterator[AggregatorApp]:
    """A worker in this process; stopped in the end, unless it has failed before."""
    settings = Settings.model_validate(
        {
            "kafka": {"bootstrap": topic.bootstrap},
            "aggregator": {"chunk_events_max": chunk_events_max, "lanes": lanes, "session_timeout_s": 6},
        }
    )
    app = create_app(settings, functools.partial(opened, ledger), group=topic.group, topics=[topic.name])
    starting = asyncio.create_task(app.start())
    try:
        yield app
    finally:
        await app.stop()
        await asyncio.gather(starting, return_exceptions=True)


async def offsets_of(topic: TestTopic) -> Mapping[Partition, int]:
    return await group_offsets(KafkaSettings(bootstrap=topic.bootstrap), topic.group)


async def until_stored(ledger: FencedLedger, topic: TestTopic, count: int) -> None:
    async def stored() -> bool:
        return ledger.count(topic.name) >= count

    await eventually(stored, what=f"{count} records are stored")


async def until_failed(app: AggregatorApp) -> Exception | None:
    async with asyncio.timeout(30):
        await app.failed.wait()
    return app.failure


def values(count: int, *, start: int = 0) -> list[bytes]:
    return [b"value %d" % number for number in range(start, start + count)]


async def test_every_record_is_delivered_once_and_in_order(topic: TestTopic, ledger: FencedLedger) -> None:
    sent = values(5000)
    await topic.write(sent)

    async with running(topic, ledger, chunk_events_max=300):
        await until_stored(ledger, topic, len(sent))

    stored = ledger.records(topic.name)
    for part in range(topic.partitions):
        expected = list(enumerate(sent[part :: topic.partitions]))
        assert stored[part] == expected


async def test_a_chunk_holds_no_more_records_than_it_may(topic: TestTopic, ledger: FencedLedger) -> None:
    await topic.write(values(4000))

    async with running(topic, ledger, chunk_events_max=300):
        await until_stored(ledger, topic, 4000)

    sizes = [chunk.records for chunk in ledger.chunks(topic.name)]
    assert max(sizes) == 300
    assert len(sizes) == 4 * 4  # 300, 300, 300 and the rest of 100, of each partition


async def test_reading_begins_where_the_processor_stands_and_not_the_group(
    topic: TestTopic, ledger: FencedLedger
) -> None:
    await topic.write(values(400))
    async with running(topic, ledger):
        await until_stored(ledger, topic, 400)
    offsets = await offsets_of(topic)
    assert offsets == {(topic.name, part): 100 for part in range(4)}
    restored = FencedLedger(ledger.path.with_name("restored.db"))
    for part, position in enumerate([0, 40, 99, 100]):
        restored.move((topic.name, part), position=position)

    async with running(topic, restored):
        await until_stored(restored, topic, 100 + 60 + 1)
        await topic.write(values(4))
        await until_stored(restored, topic, 100 + 60 + 1 + 4)

    stored = restored.records(topic.name)
    assert {part: records[0][0] for part, records in stored.items()} == {0: 0, 1: 40, 2: 99, 3: 100}
    assert all(records[-1][0] == 100 for records in stored.values())


async def test_what_is_stored_is_committed_to_the_group_at_the_end(topic: TestTopic, ledger: FencedLedger) -> None:
    await topic.write(values(100))

    async with running(topic, ledger):
        await until_stored(ledger, topic, 100)

    assert await offsets_of(topic) == {(topic.name, part): 25 for part in range(4)}


async def test_the_group_is_never_told_more_than_is_stored(topic: TestTopic, ledger: FencedLedger) -> None:
    await topic.write(values(3000))
    ledger.pause_s = 0.05

    async with running(topic, ledger, chunk_events_max=100):
        for _ in range(10):
            offsets = await offsets_of(topic)
            records = ledger.records(topic.name)  # read after the offsets: it can only have grown
            for (_, part), offset in offsets.items():
                assert offset <= len(records[part])
            await asyncio.sleep(0.1)
        await until_stored(ledger, topic, 3000)


async def test_partitions_are_worked_on_side_by_side_up_to_the_lanes(topic: TestTopic, ledger: FencedLedger) -> None:
    await topic.write(values(4000))
    ledger.pause_s = 0.02

    async with running(topic, ledger, chunk_events_max=100, lanes=3):
        await until_stored(ledger, topic, 4000)

    assert ledger.under_way_most == 3


class OneStuck(FencedLedger):
    """A ledger that never ends a chunk of partition 0."""

    async def process(self, chunk: Chunk) -> None:
        if chunk.part == 0:
            await asyncio.get_running_loop().create_future()
        await super().process(chunk)


async def test_a_partition_that_is_stuck_does_not_hold_up_the_others(topic: TestTopic, tmp_path: Path) -> None:
    ledger = OneStuck(tmp_path / "ledger.db")
    await topic.write(values(8000))

    async with running(topic, ledger, chunk_events_max=100, lanes=2) as app:
        await until_stored(ledger, topic, 6000)

        consumer = cast("ChunkConsumer", app.consumer)
        assert {tp.partition: chain.out for tp, chain in consumer.chains.items() if chain.out} == {0: OUT_MAX}
        await app.lanes.settle(within_s=0)  # else stopping would wait for it

    assert 0 not in ledger.records(topic.name)


async def test_a_hole_in_the_log_reaches_the_processor_with_the_chunk_that_follows(
    topic: TestTopic, ledger: FencedLedger
) -> None:
    await topic.write(values(100), part=0)
    ledger.move((topic.name, 0), position=10)
    await topic.remove_before(0, 60)

    async with running(topic, ledger):
        await until_stored(ledger, topic, 40)

    first = ledger.chunks(topic.name)[0]
    assert (first.first, first.next, first.records) == (10, 100, 40)


async def test_a_record_without_a_value_or_of_any_bytes_is_delivered(topic: TestTopic, ledger: FencedLedger) -> None:
    sent = [b"", b"\xff\x00\xfe", b"x" * 900_000]
    await topic.write(sent, part=1)

    async with running(topic, ledger):
        await until_stored(ledger, topic, 3)

    assert ledger.records(topic.name) == {1: list(enumerate(sent))}


async def test_workers_join_and_leave_without_loss_or_double(topic: TestTopic, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    first = FencedLedger(path, owner="first", pause_s=0.01)
    second = FencedLedger(path, owner="second", pause_s=0.01)
    enough = asyncio.Event()
    writing = asyncio.create_task(topic.write_until(enough))

    async with running(topic, first, chunk_events_max=100) as app:
        await until_stored(first, topic, 500)
        for _ in range(2):
            async with running(topic, second, chunk_events_max=100) as other:
                await eventually(_owns(other), what="the second worker owns partitions")
                await eventually(_stores_more(second, topic), what="the second worker has stored a chunk")
            await eventually(_owns(app), what="the first worker owns partitions again")
        enough.set()
        sent = await writing
        await until_stored(first, topic, len(sent))

    stored = first.records(topic.name)
    assert {part: [value for _, value in records] for part, records in stored.items()} == {
        part: sent[part :: topic.partitions] for part in range(topic.partitions)
    }
    assert (topic.name, 0) in first.forgotten


def _owns(app: AggregatorApp) -> Callable[[], Awaitable[bool]]:
    async def owns() -> bool:
        return app.unready() is None

    return owns


def _stores_more(ledger: FencedLedger, topic: TestTopic) -> Callable[[], Awaitable[bool]]:
    def stored() -> int:
        return len([chunk for chunk in ledger.chunks(topic.name) if chunk.owner == ledger.owner])

    before = stored()

    async def more() -> bool:
        return stored() > before

    return more


async def test_a_fenced_worker_fails_and_stores_nothing_more(topic: TestTopic, ledger: FencedLedger) -> None:
    await topic.write(values(100))
    async with running(topic, ledger) as app:
        await until_stored(ledger, topic, 100)

        ledger.steal(topic.name)
        await topic.write(values(100))

        assert isinstance(await until_failed(app), FencedError)
    assert ledger.count(topic.name) == 100
    assert await offsets_of(topic) == {(topic.name, part): 25 for part in range(4)}


async def test_a_topic_that_was_made_anew_is_refused(topic: TestTopic, ledger: FencedLedger) -> None:
    await topic.write(values(40))
    ledger.move((topic.name, 2), position=1000)

    async with running(topic, ledger) as app:
        reason = await until_failed(app)

    assert isinstance(reason, ConfigurationError)
    assert ledger.count(topic.name) == 0


class AwayAtFirst(FencedLedger):
    """A ledger whose database is away when it is asked for ownership the first times."""

    refusals = 3

    async def take_ownership(self, bounds: Mapping[Partition, Bounds]) -> Mapping[Partition, int]:
        if self.refusals:
            self.refusals -= 1
            raise UnavailableError("the database is away")
        return await super().take_ownership(bounds)


async def test_a_database_that_is_away_at_the_start_delays_the_worker_and_does_not_end_it(
    topic: TestTopic, tmp_path: Path
) -> None:
    ledger = AwayAtFirst(tmp_path / "ledger.db")
    await topic.write(values(40))

    async with running(topic, ledger) as app:

        async def delayed() -> bool:
            return app.unready() == "partitions not owned yet: waiting for Postgres"

        await eventually(delayed, what="the worker says what it waits for")
        await until_stored(ledger, topic, 40)

        assert app.failure is None
        assert app.unready() is None


async def test_a_leader_that_missed_the_topics_metadata_hands_out_all_partitions(
    topic: TestTopic, ledger: FencedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await topic.write(values(40))
    async with running(topic, ledger):  # the group has its coordinator: nobody asks again on its account
        await until_stored(ledger, topic, 40)
    await topic.write(values(40))
    ask = AIOKafkaClient._metadata_update
    missed: list[set[str]] = []

    async def miss_the_first(client: AIOKafkaClient, cluster: ClusterMetadata, topics: set[str]) -> bool:
        # As when the broker dies between a worker's start and its first question about topics.
        if topics and not missed:
            missed.append(topics)
            return False
        return bool(await ask(client, cluster, topics))

    monkeypatch.setattr(AIOKafkaClient, "_metadata_update", miss_the_first)

    async with running(topic, ledger):
        await until_stored(ledger, topic, 80)

    assert missed == [{topic.name}]


async def test_a_worker_that_the_group_refuses_for_a_strange_reason_ends_instead_of_waiting(
    topic: TestTopic, ledger: FencedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_join: CoordinatorGroupRebalance) -> None:
        raise KafkaError("an answer that aiokafka has no plan for")

    monkeypatch.setattr(CoordinatorGroupRebalance, "perform_group_join", refuse)

    async with running(topic, ledger) as app:
        reason = await until_failed(app)

    assert "an answer that aiokafka has no plan for" in str(reason)


async def test_a_failing_chunk_is_never_skipped(topic: TestTopic, tmp_path: Path) -> None:
    class Broken(FencedLedger):
        async def process(self, chunk: Chunk) -> None:
            if chunk.part == 3:
                raise ValueError("a bug")
            await super().process(chunk)

    broken = Broken(tmp_path / "ledger.db")
    await topic.write(values(40))
    async with running(topic, broken) as app:
        reason = await until_failed(app)
    assert isinstance(reason, ValueError)

    whole = FencedLedger(tmp_path / "ledger.db")
    async with running(topic, whole):
        await until_stored(whole, topic, 40)

    assert len(whole.records(topic.name)[3]) == 10


@pytest.mark.parametrize("codec", CODECS)
async def test_what_another_producer_compressed_is_read(topic: TestTopic, ledger: FencedLedger, codec: str) -> None:
    sent = [b"compressible " * 200 + b"%d" % number for number in range(200)]

    def write() -> None:
        other = Producer({"bootstrap.servers": topic.bootstrap, "compression.type": codec, "linger.ms": 100})
        for value in sent:
            other.produce(topic.name, value, partition=0)
        assert other.flush(30) == 0

    await asyncio.to_thread(write)
    async with running(topic, ledger):
        await until_stored(ledger, topic, len(sent))

    assert ledger.records(topic.name)[0] == list(enumerate(sent))


@pytest.mark.parametrize("codec", CODECS)
async def test_what_the_broker_compressed_is_read(kafka_bootstrap: str, ledger: FencedLedger, codec: str) -> None:
    sent = [b"compressible " * 200 + b"%d" % number for number in range(200)]

    async with own_topic(kafka_bootstrap, configs={"compression.type": codec}) as topic:
        await topic.write(sent, part=0)
        async with running(topic, ledger):
            await until_stored(ledger, topic, len(sent))

        assert ledger.records(topic.name)[0] == list(enumerate(sent))
