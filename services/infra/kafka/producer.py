"""Append records durably: acknowledged by every in-sync replica, or refused in time and in bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    UnknownTopicOrPartitionError,
)

from services.infra.errors import UnavailableError
from services.infra.kafka.breaker import Breaker, BreakerState
from services.infra.kafka.connection import client_options, why_away
from services.infra.kafka.deadline import loop_deadline
from services.infra.kafka.delivery import Delivery, LogRecord
from services.infra.kafka.limits import ALONE_BYTES, TopicLimits
from services.infra.settings import KafkaSettings

log = structlog.get_logger(__name__)

BATCH_BYTES_MAX: Final = 128 * 1024
"""What one partition gathers while a request is out: two full HTTP batches; a tenth of the topic's limit."""

PROBE_S: Final = 0.5
"""How often a log that is away is asked whether it is back; recovery is noticed within this."""

QUIET_S: Final = 5.0
"""A log that acknowledged nothing for so long (an idle night) is asked as well, so that readiness stays true."""

STALE_S: Final = 1.0
"""Ten times a slow acknowledgement: a record that waits so long is a reason to ask the log."""

PROBE_TIMEOUT_S: Final = 2.0
"""A broker that answers no metadata request for so long cannot take events either."""

BREATH_RECORDS: Final = 64
"""Records given to the client library in a row, some 2 ms: then others have their turn."""

START_TIMEOUT_S: Final = 10.0
"""Connecting, metadata and a producer id; a broker that has just started takes seconds for the last."""


STALE: Final = (MessageSizeTooLargeError, OutOfOrderSequenceNumber, ProducerClosed)
"""What ends one producer and not the log: a batch that its topic refused, and the gap in the numbers of batches that it
leaves. Nothing of such a record is in the log, so it may be sent again."""


@dataclass(frozen=True, eq=False)
class _Serving:
    """The producer that appends go to, until a fresh one takes over; alone: each record has a batch of its own."""

    producer: AIOKafkaProducer
    alone: bool


class LogProducer:
    """An idempotent producer with a deadline, a bounded buffer and a breaker; it heals by itself.

    A late acknowledgement is an unknown outcome: the caller gets UnavailableError and its client sends the same
    event again. What is still buffered when the log comes back is sent, so an event may be in the log twice.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        topics: Sequence[str],
        deadline_s: float,
        buffer_bytes_max: int,
        on_ack: Callable[[float], None],
        limits: TopicLimits,
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._topics = tuple(topics)
        self._deadline_s = deadline_s
        self._buffer_bytes_max = buffer_bytes_max
        self._on_ack = on_ack
        self._breaker = Breaker()
        self._cause = ""
        self._serving: _Serving | None = None
        self._fresh = asyncio.Event()
        self._broken = asyncio.Event()
        self._buffered_bytes = 0
        self._waiting_since: dict[int, float] = {}
        self._acked_at = 0.0
        self._keeper: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to connect; returns at once, also while the log is away."""
        self._keeper = asyncio.create_task(self._keep(), name="log-producer")
        self._keeper.add_done_callback(_end_on_surprise)

    def unready(self) -> str | None:
        """Tell why appends are refused, or None."""
        if self._serving is not None and self._breaker.state is not BreakerState.OPEN:
            return None
        return self._breaker.reason

    def bytes_max(self, topic: str) -> int:
        """Tell how large a record's batch may be for the topic to take it."""
        return self._limits.bytes_max(topic)

    async def append(self, records: Sequence[LogRecord]) -> Collection[int]:
        """Return when every record is durable but those at the returned positions, which their topic never takes.

        Raises UnavailableError, at the latest at the deadline.
        """
        started = perf_counter()
        too_large: set[int] = set()
        left = dict(enumerate(records))
        try:
            async with loop_deadline(self._deadline_s):
                while left:
                    refused = {position for position, record in left.items() if not self._limits.allow(record)}
                    if refused:
                        too_large |= refused
                        left = {position: record for position, record in left.items() if position not in refused}
                    if left:
                        left = await self._attempt(left)
        except TimeoutError as missed:
            self._breaker.missed("the log did not acknowledge in time")
            raise UnavailableError("no acknowledgement within the deadline; the outcome is unknown") from missed
        if len(too_large) < len(records):
            self._on_ack(perf_counter() - started)
        return too_large

    async def _attempt(self, left: Mapping[int, LogRecord]) -> dict[int, LogRecord]:
        """Send, and return what must be sent again, by a fresh producer that is there by then."""
        serving, size = self._admit(left.values())
        is_try = self._breaker.state is BreakerState.HALF_OPEN
        delivery = Delivery(left, release=partial(self._released, size))
        self._buffered_bytes += size
        self._waiting_since[id(delivery)] = perf_counter()
        try:
            await _enqueue(serving.producer, left, delivery)
            await asyncio.shield(delivery.finished)
        finally:
            del self._waiting_since[id(delivery)]
            if is_try:
                self._breaker.given_up()
        for error in delivery.failed.values():
            if not isinstance(error, STALE):
                self._fail(error)
        if delivery.failed:
            for position, error in delivery.failed.items():
                if isinstance(error, MessageSizeTooLargeError):
                    self._note_refusal(left[position], alone=serving.alone)
            await self._fresher_than(serving)
        else:
            self._acked_at = perf_counter()
            self._breaker.succeeded()
        return {position: left[position] for position in delivery.failed}

    def _note_refusal(self, record: LogRecord, *, alone: bool) -> None:
        if alone:
            self._limits.refused_alone(record)
        else:
            self._limits.refused_together()

    async def _fresher_than(self, serving: _Serving) -> None:
        if self._serving is serving:
            self._broken.set()
            await self._fresh.wait()

    async def close(self) -> None:
        """Send what is buffered, for at most the deadline, and disconnect."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await self._drop()

    def _admit(self, records: Collection[LogRecord]) -> tuple[_Serving, int]:
        size = sum(record.size for record in records)
        if self._serving is None:
            raise UnavailableError(self._breaker.reason)
        if self._buffered_bytes + size > self._buffer_bytes_max:
            raise UnavailableError("too much waits for the log")
        if not self._breaker.admits():
            raise UnavailableError(self._breaker.reason or "the log is being tried")
        return self._serving, size

    def _released(self, size: int) -> None:
        self._buffered_bytes -= size

    def _fail(self, error: BaseException) -> None:
        # aiokafka retries whatever can pass. What it reports is final for this producer: its sequence numbers may
        # no longer match the broker's, so a fresh one takes over.
        self._breaker.trip(f"the log refused an append: {type(error).__name__}")
        self._broken.set()
        raise UnavailableError("the log refused the append") from error

    async def _keep(self) -> None:
        """Hold a working producer, for ever."""
        while True:
            try:
                await self._connect()
                await self._watch()
                if self._breaker.state is not BreakerState.OPEN:
                    continue  # the next one takes over while this one still serves
            except UnknownTopicOrPartitionError:
                self._away("the log has no topics yet: run `tactus topics apply`")
            except UnavailableError as error:
                self._away(str(error))
            except (KafkaError, TimeoutError, OSError) as error:
                self._away(f"the log cannot be reached: {type(error).__name__}")
            await self._drop()
            await asyncio.sleep(PROBE_S)

    def _away(self, reason: str) -> None:
        if reason != self._breaker.reason:
            log.warning("log_away", reason=reason)
        self._breaker.trip(reason)

    async def _connect(self) -> None:
        async with asyncio.timeout(START_TIMEOUT_S):
            await self._limits.read()
        batch_bytes_max = min(BATCH_BYTES_MAX, self._limits.batch_bytes_max)
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            client_id="tactus-ingest",
            acks="all",
            enable_idempotence=True,
            max_batch_size=batch_bytes_max,
            request_timeout_ms=int(self._deadline_s * 1000),
        )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await producer.start()
                for topic in self._topics:
                    await producer.partitions_for(topic)
        except BaseException:
            await _stop(producer, timeout_s=self._deadline_s)
            raise
        self._broken.clear()
        before, self._serving = self._serving, _Serving(producer, alone=batch_bytes_max == ALONE_BYTES)
        fresh, self._fresh = self._fresh, asyncio.Event()
        fresh.set()
        self._breaker.succeeded()
        self._acked_at = perf_counter()
        log.info("log_connected", bootstrap=self._settings.bootstrap)
        if before is not None:
            await _stop(before.producer, timeout_s=self._deadline_s)

    async def _watch(self) -> None:
        """Ask the log whenever its silence could mean that it is away; returns when the producer is broken."""
        while not self._broken.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_S):
                    await self._broken.wait()
            if self._silent():
                await self._probe()
            with contextlib.suppress(UnavailableError, TimeoutError):
                async with asyncio.timeout(START_TIMEOUT_S):
                    await self._limits.review()

    def _silent(self) -> bool:
        now = perf_counter()
        stale = any(now - since > STALE_S for since in self._waiting_since.values())
        return stale or self._breaker.state is BreakerState.OPEN or now - self._acked_at > QUIET_S

    async def _probe(self) -> None:
        if self._serving is None:
            return
        was = self._breaker.state
        try:
            async with loop_deadline(PROBE_TIMEOUT_S):
                cluster = await self._serving.producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError, OSError) as error:
            self._breaker.trip(self._cause or f"the log does not answer: {type(error).__name__}")
            if not self._cause:
                await self._name_the_cause()
        else:
            self._cause = ""
            headless = [topic for topic in self._topics if not _led(cluster, topic)]
            if headless:
                self._breaker.trip(f"topic {headless[0]} is missing or has no leader: run `tactus topics apply`")
            else:
                self._breaker.seen()
                self._acked_at = perf_counter()
        if was is not self._breaker.state:
            log.warning("log_breaker", state=self._breaker.state, reason=self._breaker.reason)

    async def _name_the_cause(self) -> None:
        """Say why the log is away in words that tell an operator what to do; what takes long is not waited for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                why = await why_away(self._settings)
            if self._breaker.state is BreakerState.OPEN:
                self._cause = str(why)
                self._breaker.trip(self._cause)

    async def _drop(self) -> None:
        serving, self._serving = self._serving, None
        if serving is not None:
            await _stop(serving.producer, timeout_s=self._deadline_s)


def _end_on_surprise(keeper: asyncio.Task[None]) -> None:
    # Nobody else would mend the connection: the process ends, and its supervisor starts it afresh.
    if not keeper.cancelled() and keeper.exception() is not None:
        log.critical("log_keeper_failed", exc_info=keeper.exception())
        signal.raise_signal(signal.SIGTERM)


async def _enqueue(producer: AIOKafkaProducer, left: Mapping[int, LogRecord], delivery: Delivery) -> None:
    sent = 0
    error: BaseException = asyncio.CancelledError()
    try:
        for position, (topic, key, value, headers) in left.items():
            if sent % BREATH_RECORDS == BREATH_RECORDS - 1:
                await asyncio.sleep(0)
            acknowledgement = await producer.send(topic, value, key, headers=list(headers))
            delivery.await_answer(position, acknowledgement)
            sent += 1
    except KafkaError as refused:
        error = refused
    finally:
        delivery.never_sent(list(left)[sent:], error)


def _led(cluster: object, topic: str) -> bool:
    partitions = cluster.partitions_for_topic(topic)  # type: ignore[attr-defined]  # aiokafka.cluster is untyped
    led = cluster.available_partitions_for_topic(topic)  # type: ignore[attr-defined]  # as above
    return bool(partitions) and led == partitions


async def _stop(producer: AIOKafkaProducer, *, timeout_s: float) -> None:
    # stop() waits for what is buffered, which never ends while the broker is away.
    with contextlib.suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(timeout_s):
            await producer.stop()
