"""The embedded broker unpacks and packs with every codec that Kafka has; three of the four are native code."""

from __future__ import annotations

import struct
import uuid

import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from services.embedded.kafka import EmbeddedKafka

pytestmark = pytest.mark.integration

CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""By the number that a batch names its codec with."""

VALUES = [b"the same words again, number %d" % number for number in range(500)]


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_packed_by_its_sender_is_kept_and_read(codec: str, kafka: EmbeddedKafka) -> None:
    name = make_topic(kafka, packed="producer")

    send(kafka, name, codec=codec)

    assert packed_on_disk(kafka, name) == CODECS[codec]
    assert [record.value() for record in read(kafka, name)] == VALUES


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("sent", ["none", "lz4"])
def test_a_batch_is_packed_as_its_topic_says(sent: str, codec: str, kafka: EmbeddedKafka) -> None:
    name = make_topic(kafka, packed=codec)

    send(kafka, name, codec=sent)

    records = read(kafka, name)
    assert packed_on_disk(kafka, name) == CODECS[codec]
    assert [record.value() for record in records] == VALUES
    assert {record.timestamp()[0] for record in records} == {TIMESTAMP_LOG_APPEND_TIME}


def make_topic(kafka: EmbeddedKafka, *, packed: str) -> str:
    """A topic as ours are: the broker stamps the time, so it opens each batch."""
    name = f"packed-{uuid.uuid4().hex}"
    config = {"compression.type": packed, "message.timestamp.type": "LogAppendTime"}
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([NewTopic(name, 1, 1, config=config)])[name].result(60)
    return name


def send(kafka: EmbeddedKafka, topic: str, *, codec: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": codec, "linger.ms": 100})
    for value in VALUES:
        producer.produce(topic, value)
    assert producer.flush(60) == 0


def read(kafka: EmbeddedKafka, topic: str) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": topic})
    consumer.assign([TopicPartition(topic, 0, 0)])
    records: list[Message] = consumer.consume(len(VALUES), timeout=60)
    consumer.close()
    return records


def packed_on_disk(kafka: EmbeddedKafka, topic: str) -> int:
    """The codec's number in the first batch of the log's file."""
    with (kafka.data / "log" / f"{topic}-0" / f"{0:020}.log").open("rb") as log:
        log.seek(21)
        attributes: int = struct.unpack(">h", log.read(2))[0]
    return attributes & 7
