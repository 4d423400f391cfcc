"""The rules of the log that the door stands on, for the one in memory and for Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import zip_longest
from typing import Protocol

import pytest

from schemas.topics import DLQ, EVENTS
from services.embedded.kafka import EmbeddedKafka
from services.infra.errors import ConfigurationError, UnavailableError
from services.infra.kafka import LogProducer, LogRecord, TopicLimits, apply_topics, topic_bytes_max
from services.infra.settings import KafkaSettings
from services.ingest.event_log import EventLog
from tests.support.independent_log import read_log
from tests.support.memory_log import MemoryLog
from tests.support.places import data_directory
from tests.support.slowness import Stopwatch
from tests.support.topic_limits import limit_topic
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

DEADLINE_S = 3.0
"""Of a log whose giving up is what is tested."""

PATIENCE_S = 60.0
"""Of one that must not give up: a broker on a busy machine takes seconds for what else takes milliseconds."""

BUFFER_BYTES = 1024 * 1024


class Backend(Protocol):
    """A log under test, and the power over it that only a test has."""

    @property
    def log(self) -> EventLog: ...

    def stored(self, topic: str) -> list[LogRecord]: ...

    def leave(self) -> None: ...

    def come_back(self) -> None: ...

    async def limit(self, topic: str, bytes_max: int) -> None: ...


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

    async def limit(self, topic: str, bytes_max: int) -> None:
        self._memory.limit(topic, bytes_max)


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

    async def limit(self, topic: str, bytes_max: int) -> None:
        await limit_topic(self._broker.bootstrap, topic, bytes_max)


@contextmanager
def broker_of_its_own() -> Iterator[EmbeddedKafka]:
    with data_directory() as folder:
        broker = EmbeddedKafka(folder)
        broker.start()
        yield broker
        broker.stop()


async def may_not_ask() -> Mapping[str, int]:
    raise ConfigurationError("settings cannot be read; check this client's rights")


BACKENDS = ["memory", "kafka", "kafka that tells no limits"]


@pytest.fixture(params=BACKENDS)
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    async with opened(request.param, deadline_s=PATIENCE_S) as one:
        yield one


@pytest.fixture(params=BACKENDS)
async def hasty(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    async with opened(request.param, deadline_s=DEADLINE_S) as one:
        yield one


@asynccontextmanager
async def opened(kind: str, *, deadline_s: float) -> AsyncIterator[Backend]:
    """Open a log; only the one in memory is never away for long."""
    if kind == "memory":
        yield InMemory()
        return
    with broker_of_its_own() as broker:
        settings = KafkaSettings(bootstrap=broker.bootstrap)
        await apply_topics(settings)
        told = partial(topic_bytes_max, settings, (EVENTS, DLQ))
        producer = LogProducer(
            settings,
            topics=(EVENTS, DLQ),
            deadline_s=deadline_s,
            buffer_bytes_max=BUFFER_BYTES,
            on_ack=lambda _: None,
            limits=TopicLimits(told if kind == "kafka" else may_not_ask),
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
    watch = Stopwatch()
    with pytest.raises(UnavailableError):
        await log.append([record(number)])
    assert watch.seconds() < seconds


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


async def test_while_the_log_is_away_appends_are_refused_in_time_and_then_at_once(hasty: Backend) -> None:
    await hasty.log.append([record(1)])
    hasty.leave()

    await refused_within(hasty.log, seconds=DEADLINE_S + 1)

    async def says_so() -> bool:
        return hasty.log.unready() is not None

    await eventually(says_so, what="the log says that it is away", timeout_s=DEADLINE_S + 5)
    for number in range(50):
        await refused_within(hasty.log, seconds=0.5, number=number)


async def test_the_log_heals_by_itself_and_keeps_what_it_acknowledged(hasty: Backend) -> None:
    await hasty.log.append([record(1)])
    hasty.leave()
    await refused_within(hasty.log, seconds=DEADLINE_S + 1, number=2)
    hasty.come_back()
    await ready(hasty.log)

    await hasty.log.append([record(3)])

    stored = hasty.stored(EVENTS)
    assert record(1) in stored
    assert record(3) in stored


SMALL_LIMIT = 10_000


async def test_a_record_larger_than_its_topic_takes_is_refused_alone(backend: Backend) -> None:
    await backend.limit(EVENTS, SMALL_LIMIT)
    sent = [record(1), record(2, size=13_000), record(3)]
    letter = LogRecord(DLQ, None, b"x" * 13_000)

    assert set(await backend.log.append([*sent, letter])) == {1}

    assert backend.stored(EVENTS) == [sent[0], sent[2]]
    assert backend.stored(DLQ) == [letter]


async def test_one_senders_large_records_cost_nobody_else_an_acknowledgement(backend: Backend) -> None:
    await backend.limit(EVENTS, SMALL_LIMIT)
    large = [record(1000 + number, size=13_000) for number in range(20)]
    small = [record(number) for number in range(200)]

    answers = await asyncio.gather(
        *(backend.log.append([one]) for pair in zip_longest(small, large) for one in pair if one)
    )

    assert sorted(len(refused) for refused in answers) == [0] * len(small) + [1] * len(large)
    assert sorted(backend.stored(EVENTS)) == sorted(small)


async def test_small_records_that_are_too_much_together_are_all_kept(backend: Backend) -> None:
    await backend.limit(EVENTS, SMALL_LIMIT)
    sent = [record(number, size=500) for number in range(100)]

    assert not await backend.log.append(sent)

    assert sorted(backend.stored(EVENTS)) == sorted(sent)


async def test_a_limit_that_was_raised_holds_without_a_restart(backend: Backend) -> None:
    await backend.limit(EVENTS, SMALL_LIMIT)
    large = record(1, size=13_000)
    assert await backend.log.append([large])
    await backend.limit(EVENTS, 1_000_000)

    async def taken() -> bool:
        return not await backend.log.append([large])

    await eventually(taken, what="the large record is taken")
    assert large in backend.stored(EVENTS)
