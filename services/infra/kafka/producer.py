"""Append records durably: acknowledged by every in-sync replica, or refused in time and in bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from services.infra.errors import UnavailableError
from services.infra.kafka.breaker import Breaker, State
from services.infra.kafka.connection import client_options
from services.infra.settings import KafkaSettings

log = structlog.get_logger(__name__)

BATCH_BYTES_MAX: Final = 128 * 1024
"""What one partition gathers while a request is out: two full HTTP batches; a tenth of the topic's limit."""

RECORD_OVERHEAD_BYTES: Final = 256
"""Python's objects around a buffered record: futures, header tuples, metadata."""

PROBE_S: Final = 0.5
"""How often a log that is away is asked whether it is back; recovery is noticed within this."""

QUIET_S: Final = 5.0
"""A log that acknowledged nothing for so long (an idle night) is asked as well, so that readiness stays true."""

STALE_S: Final = 1.0
"""Ten times a slow acknowledgement: a record that waits so long is a reason to ask the log."""

PROBE_TIMEOUT_S: Final = 2.0
"""A broker that answers no metadata request for so long cannot take events either."""

START_TIMEOUT_S: Final = 10.0
"""Connecting, metadata and a producer id; a broker that has just started takes seconds for the last."""


class LogRecord(NamedTuple):
    """One record to append; without a key any partition may take it."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def size(self) -> int:
        """Bytes it holds in memory until it is acknowledged."""
        return len(self.value) + len(self.key or b"") + RECORD_OVERHEAD_BYTES


class _Delivery:
    """Counts the acknowledgements of one append, also those that come after its caller has left."""

    def __init__(self, *, records: int, size: int, release: Callable[[int], None]) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.error: BaseException | None = None
        self._left = records
        self._size = size
        self._release = release

    def one_done(self, acknowledgement: asyncio.Future[object]) -> None:
        if not acknowledgement.cancelled():
            self.error = acknowledgement.exception() or self.error
        self.skip(1)

    def skip(self, records: int) -> None:
        """Count records that will never be sent."""
        self._left -= records
        if self._left == 0:
            self._release(self._size)
            if not self.finished.done():
                self.finished.set_result(None)


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
    ) -> None:
        self._settings = settings
        self._topics = tuple(topics)
        self._deadline_s = deadline_s
        self._buffer_bytes_max = buffer_bytes_max
        self._on_ack = on_ack
        self._breaker = Breaker()
        self._producer: AIOKafkaProducer | None = None
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
        if self._producer is not None and self._breaker.state is not State.OPEN:
            return None
        return self._breaker.reason

    @property
    def buffered_bytes(self) -> int:
        """Bytes handed to the client and not acknowledged."""
        return self._buffered_bytes

    async def append(self, records: Sequence[LogRecord]) -> None:
        """Return when every record is durable; raises UnavailableError, at the latest at the deadline."""
        producer, size = self._admit(records)
        is_try = self._breaker.state is State.HALF_OPEN
        started = perf_counter()
        delivery = _Delivery(records=len(records), size=size, release=self._released)
        self._buffered_bytes += size
        self._waiting_since[id(delivery)] = started
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._enqueue(producer, records, delivery)
                await asyncio.shield(delivery.finished)
            error = delivery.error
        except TimeoutError as missed:
            self._breaker.missed("the log did not acknowledge in time")
            raise UnavailableError("no acknowledgement within the deadline; the outcome is unknown") from missed
        except KafkaError as refused:
            error = refused
        finally:
            del self._waiting_since[id(delivery)]
            if is_try:
                self._breaker.given_up()
        if error is not None:
            self._fail(error)
        self._acked_at = perf_counter()
        self._breaker.succeeded()
        self._on_ack(self._acked_at - started)

    async def close(self) -> None:
        """Send what is buffered, for at most the deadline, and disconnect."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await self._drop()

    def _admit(self, records: Sequence[LogRecord]) -> tuple[AIOKafkaProducer, int]:
        size = sum(record.size for record in records)
        if self._producer is None:
            raise UnavailableError(self._breaker.reason)
        if self._buffered_bytes + size > self._buffer_bytes_max:
            raise UnavailableError("too much waits for the log")
        if not self._breaker.admits():
            raise UnavailableError(self._breaker.reason or "the log is being tried")
        return self._producer, size

    async def _enqueue(self, producer: AIOKafkaProducer, records: Sequence[LogRecord], delivery: _Delivery) -> None:
        sent = 0
        try:
            for topic, key, value, headers in records:
                acknowledgement = await producer.send(topic, value, key, headers=list(headers))
                acknowledgement.add_done_callback(delivery.one_done)
                sent += 1
        finally:
            if sent < len(records):
                delivery.skip(len(records) - sent)

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
            except UnknownTopicOrPartitionError:
                self._away("the log has no topics yet: run `tactus topics apply`")
            except (KafkaError, TimeoutError, OSError) as error:
                self._away(f"the log cannot be reached: {type(error).__name__}")
            await self._drop()
            await asyncio.sleep(PROBE_S)

    def _away(self, reason: str) -> None:
        if reason != self._breaker.reason:
            log.warning("log_away", reason=reason)
        self._breaker.trip(reason)

    async def _connect(self) -> None:
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            client_id="tactus-ingest",
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES_MAX,
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
        self._producer = producer
        self._breaker.succeeded()
        self._acked_at = perf_counter()
        log.info("log_connected", bootstrap=self._settings.bootstrap)

    async def _watch(self) -> None:
        """Ask the log whenever its silence could mean that it is away; returns when the producer is broken."""
        while not self._broken.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_S):
                    await self._broken.wait()
            if self._silent():
                await self._probe()

    def _silent(self) -> bool:
        now = perf_counter()
        stale = any(now - since > STALE_S for since in self._waiting_since.values())
        return stale or self._breaker.state is State.OPEN or now - self._acked_at > QUIET_S

    async def _probe(self) -> None:
        if self._producer is None:
            return
        was = self._breaker.state
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                cluster = await self._producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError, OSError) as error:
            self._breaker.trip(f"the log does not answer: {type(error).__name__}")
        else:
            headless = [topic for topic in self._topics if not _led(cluster, topic)]
            if headless:
                self._breaker.trip(f"topic {headless[0]} is missing or has no leader: run `tactus topics apply`")
            else:
                self._breaker.seen()
                self._acked_at = perf_counter()
        if was is not self._breaker.state:
            log.warning("log_breaker", state=self._breaker.state, reason=self._breaker.reason)

    async def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer, timeout_s=self._deadline_s)


def _end_on_surprise(keeper: asyncio.Task[None]) -> None:
    # Nobody else would mend the connection: the process ends, and its supervisor starts it afresh.
    if not keeper.cancelled() and keeper.exception() is not None:
        log.critical("log_keeper_failed", exc_info=keeper.exception())
        signal.raise_signal(signal.SIGTERM)


def _led(cluster: object, topic: str) -> bool:
    partitions = cluster.partitions_for_topic(topic)  # type: ignore[attr-defined]  # aiokafka.cluster is untyped
    led = cluster.available_partitions_for_topic(topic)  # type: ignore[attr-defined]  # as above
    return bool(partitions) and led == partitions


async def _stop(producer: AIOKafkaProducer, *, timeout_s: float) -> None:
    # stop() waits for what is buffered, which never ends while the broker is away.
    with contextlib.suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(timeout_s):
            await producer.stop()
