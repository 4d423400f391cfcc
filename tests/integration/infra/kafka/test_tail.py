"""Reading what topics take from a moment on, on a real broker."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from services.embedded.free_ports import free_port
from services.infra.errors import ConfigurationError, UnavailableError
from services.infra.kafka import tail
from services.infra.settings import KafkaSettings

pytestmark = pytest.mark.integration


@pytest.fixture
def topics(kafka_bootstrap: str) -> list[str]:
    """Two topics of three partitions that hold a record each."""
    names = [f"tail-{uuid.uuid4().hex}" for _ in "12"]
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    made = admin.create_topics([NewTopic(name, 3, 1) for name in names])
    for name in names:
        made[name].result(60)
    produce(kafka_bootstrap, *((name, b"before") for name in names))
    return names


def produce(bootstrap: str, *records: tuple[str, bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for topic, value in records:
        producer.produce(topic, value, headers=[("reason", b"why")])
    assert producer.flush(60) == 0


async def test_every_record_from_here_on_comes_once_whatever_its_topic_and_partition(
    kafka_bootstrap: str, topics: list[str]
) -> None:
    sent = [(topics[n % 2], b"%d" % n) for n in range(60)]

    async with asyncio.timeout(60), tail(KafkaSettings(bootstrap=kafka_bootstrap), topics) as records:
        await asyncio.to_thread(produce, kafka_bootstrap, *sent)
        found = [await anext(records) for _ in sent]

    assert sorted((one.topic, one.value) for one in found) == sorted(sent)
    assert {tuple(one.headers) for one in found} == {(("reason", b"why"),)}
    assert all(one.timestamp > 0 for one in found)


async def test_two_readers_each_get_all(kafka_bootstrap: str, topics: list[str]) -> None:
    settings = KafkaSettings(bootstrap=kafka_bootstrap)

    async with asyncio.timeout(60), tail(settings, topics) as one, tail(settings, topics) as other:
        await asyncio.to_thread(produce, kafka_bootstrap, (topics[0], b"x"))

        assert [(await anext(reader)).value for reader in (one, other)] == [b"x", b"x"]


async def test_a_log_without_the_topics_is_told_with_the_fix(kafka_bootstrap: str, topics: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="tactus topics apply"):
        async with tail(KafkaSettings(bootstrap=kafka_bootstrap), [*topics, "never-made"]):
            pass


async def test_brokers_that_are_away_are_told() -> None:
    with pytest.raises(UnavailableError, match="Kafka at"):
        async with tail(KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}"), ["any"]):
            pass
