"""Read the log with another client than the product's."""

from __future__ import annotations

from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.support.waiting import wait_until


class Read(NamedTuple):
    """One record as the other client sees it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]
    append_time_ms: int


def read_log(bootstrap: str, *topics: str) -> list[Read]:
    """Return every record of the topics, from their first offset to their present ends."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "independent", "enable.auto.commit": False})
    try:
        ends = {part: end for topic in topics for part, end in _ends(consumer, topic)}
        consumer.assign([TopicPartition(topic, part, 0) for (topic, part), end in ends.items() if end > 0])
        wanted = sum(ends.values())
        found: list[Read] = []

        def all_read() -> bool:
            for message in consumer.consume(1000, timeout=1.0) if len(found) < wanted else []:
                if message.error():
                    raise KafkaException(message.error())
                record = _read(message)
                if record.offset < ends[record.topic, record.partition]:
                    found.append(record)
            return len(found) >= wanted

        wait_until(all_read, what=f"all {wanted} records of {topics} are read")
        return found
    finally:
        consumer.close()


def read_committed(bootstrap: str, topic: str) -> list[Read]:
    """Return every record of a topic that transactions have committed: between them lie offsets that hold none."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "independent", "enable.partition.eof": True})
    try:
        unread = {part for (_, part), end in _ends(consumer, topic) if end > 0}
        consumer.assign([TopicPartition(topic, part, 0) for part in unread])
        found: list[Read] = []

        def all_read() -> bool:
            for message in consumer.consume(1000, timeout=0.2) if unread else []:
                error = message.error()
                if error is None:
                    found.append(_read(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition())
                else:
                    raise KafkaException(error)
            return not unread

        wait_until(all_read, what=f"all records of {topic} are read")
        return found
    finally:
        consumer.close()


def _ends(consumer: Consumer, topic: str) -> list[tuple[tuple[str, int], int]]:
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    if not partitions:
        raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    return [((topic, part), _end(consumer, topic, part)) for part in partitions]


def _end(consumer: Consumer, topic: str, part: int) -> int:
    """Ask until the partition's leader answers: a topic that was just made, or a broker just started, takes a while."""

    def bounds() -> tuple[int, int] | None:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=10)
        except KafkaException as error:
            if not error.args[0].retriable() and error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                raise
            return None
        return low, high

    return wait_until(bounds, what=f"the leader of {topic} {part} tells its end")[1]


def _read(message: object) -> Read:
    return Read(
        topic=message.topic(),  # type: ignore[attr-defined]  # a C class without stubs
        partition=message.partition(),  # type: ignore[attr-defined]  # as above
        offset=message.offset(),  # type: ignore[attr-defined]  # as above
        key=message.key(),  # type: ignore[attr-defined]  # as above
        value=message.value(),  # type: ignore[attr-defined]  # as above
        headers=dict(message.headers() or []),  # type: ignore[attr-defined]  # as above
        append_time_ms=message.timestamp()[1],  # type: ignore[attr-defined]  # as above
    )
