"""Read whole topics and count whose events are in them: acknowledged means kept, also for a bench."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

READ_AT_ONCE: Final = 10_000
SILENCE_S: Final = 10.0
"""A broker on this machine that sends nothing for so long has nothing more."""


class _Event(msgspec.Struct):
    id: str
    source: str


class Found(NamedTuple):
    """Records of one source, and how many different events they are."""

    records: int
    distinct: int


_EVENT: Final = msgspec.json.Decoder(_Event)


def in_log(bootstrap: str, topics: Sequence[str]) -> dict[str, Found]:
    """Count the records of each source, from the beginning of each topic to its end."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "bench", "enable.partition.eof": True, "enable.auto.commit": False}
    )
    try:
        known = consumer.list_topics(timeout=SILENCE_S).topics
        parts = [TopicPartition(topic, part, OFFSET_BEGINNING) for topic in topics for part in known[topic].partitions]
        consumer.assign(parts)
        return _read(consumer, ends=len(parts))
    finally:
        consumer.close()


def _read(consumer: Consumer, *, ends: int) -> dict[str, Found]:
    records: defaultdict[str, int] = defaultdict(int)
    ids: defaultdict[str, set[str]] = defaultdict(set)
    while ends:
        some = consumer.consume(READ_AT_ONCE, SILENCE_S)
        if not some:
            raise RuntimeError("the log sends nothing and has not said that it ends")
        for record in some:
            error = record.error()
            if error is None:
                event = _EVENT.decode(record.value() or b"")
                records[event.source] += 1
                ids[event.source].add(event.id)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its name in the library's own manual
                ends -= 1
            else:
                raise RuntimeError(str(error))
    return {source: Found(count, len(ids[source])) for source, count in records.items()}
