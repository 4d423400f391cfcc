"""The rules of the log that the door stands on, for the one in memory and for Kafka."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Protocol

import pytest

from schemas.topics import DLQ, EVENTS
from services.embedded.kafka import EmbeddedKafka
from services.infra.errors import UnavailableError
from services.infra.kafka import LogProducer, LogRecord, apply_topics
from services.infra.settings import KafkaSettings
from services.ingest.event_log import EventLog
from tests.support.independent_log import read_log
from tests.support.memory_log import MemoryLog
from tests.support.places import data_directory
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

DEADLINE_S = 3.0
BUFFER_BYTES = 1024 * 1024


class Backend(Protocol):
    """A log under test, and the power over it that only a test has."""

    @property
    def log(self) -> EventLog: ...

    def stored(self, topic: str) -> list[LogRecord]: ...

    def leave(self) -> None: ...

    def come_back(self) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self._memory = MemoryLog(buffer_bytes_max=BUFFER_BYTES)

    @property
    def log(self) -> EventLog:
        return self._memory

    def stored(self, topic: str) -> list[LogRecord]:
        return self._memory.of_topic(topic)

    def leave(self) -> None:
        self._memory.leave()

    def come_back(self) -> None:
        self._memory.come_back()


class OnKafka:
    def __init__(self, broker: EmbeddedKafka, producer: LogProducer) -> None:
        self._broker = broker
        self._producer = producer

    @property
    def log(self) -> EventLog:
        return self._producer

    def stored(self, topic: str) -> list[LogRecord]:
        read = sorted(read_log(self._broker.bootstrap, topic), key=lambda one: (one.partition, one.offset))
        return [LogRecord(one.topic, one.key, one.value or b"", tuple(one.headers.items())) for one in read]

    def leave(self) -> None:
        self._broker.kill()

    def come_back(self) -> None:
        self._broker.launch()


@contextmanager
def broker_of_its_own() -> Iterator[EmbeddedKafka]:
    with data_directory() as folder:
        broker = EmbeddedKafka(folder)
        broker.start()
        yield broker
        broker.stop()


@pytest.fixture(params=["memory", "kafka"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    if request.param == "memory":
        yield InMemory()
        return
    with broker_of_its_own() as broker:
        settings = KafkaSettings(bootstrap=broker.bootstrap)
        await apply_topics(settings)
        producer = LogProducer(
            settings, topics=(EVENTS, DLQ), deadline_s=DEADLINE_S, buffer_bytes_max=BUFFER_BYTES, on_ack=lambda _: None
        )
        producer.open()
        await ready(producer)
        yield OnKafka(broker, producer)
        await producer.close()


async def ready(log: EventLog) -> None:
    async def without_reason() -> bool:
        return log.unready() is None

    await eventually(without_reason, what="the log takes records")


def record(number: int, *, topic: str = EVENTS, size: int = 10) -> LogRecord:
    return LogRecord(topic, b"customer:c1", b"%d " % number + b"x" * size, (("content-type", b"text"),))


async def refused_within(log: EventLog, *, seconds: float, number: int = 0) -> None:
    started = time.monotonic()
    with pytest.raises(UnavailableError):
        await log.append([record(number)])
    assert time.monotonic() - started < seconds


async def test_what_append_returned_for_is_in_the_log_whole_and_in_order(backend: Backend) -> None:
    sent = [record(number) for number in range(300)]
    letter = LogRecord(DLQ, None, b"\xff\x00", (("reason", "zażółć".encode()),))

    await backend.log.append([*sent[:200], letter])
    await backend.log.append(sent[200:])

    assert backend.stored(EVENTS) == sent
    assert backend.stored(DLQ) == [letter]


async def test_appends_at_the_same_time_are_all_kept(backend: Backend) -> None:
    await asyncio.gather(*(backend.log.append([record(number)]) for number in range(200)))

    assert sorted(backend.stored(EVENTS)) == sorted(record(number) for number in range(200))


async def test_more_than_the_buffer_holds_is_refused_and_the_log_goes_on(backend: Backend) -> None:
    with pytest.raises(UnavailableError):
        await backend.log.append([record(number, size=300_000) for number in range(4)])

    await backend.log.append([record(9)])

    assert backend.stored(EVENTS)[-1] == record(9)


async def test_while_the_log_is_away_appends_are_refused_in_time_and_then_at_once(backend: Backend) -> None:
    await backend.log.append([record(1)])
    backend.leave()

    await refused_within(backend.log, seconds=DEADLINE_S + 1)

    async def says_so() -> bool:
        return backend.log.unready() is not None

    await eventually(says_so, what="the log says that it is away", timeout_s=DEADLINE_S + 5)
    for number in range(50):
        await refused_within(backend.log, seconds=0.5, number=number)


async def test_the_log_heals_by_itself_and_keeps_what_it_acknowledged(backend: Backend) -> None:
    await backend.log.append([record(1)])
    backend.leave()
    await refused_within(backend.log, seconds=DEADLINE_S + 1, number=2)
    backend.come_back()
    await ready(backend.log)

    await backend.log.append([record(3)])

    stored = backend.stored(EVENTS)
    assert record(1) in stored
    assert record(3) in stored
