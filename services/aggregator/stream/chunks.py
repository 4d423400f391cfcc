"""Chunked consuming inside Faust: one Faust message is one run of records of one partition.

Faust costs about 60 µs a message, so the message is made large. Everything here stands on private names of
faust-streaming 0.15.3 and aiokafka 0.14; tests/contract/test_faust_private_names.py holds each of them.
"""

# Overrides carry Faust's own signatures, and aiokafka is untyped.
# ruff: noqa: ANN401, ARG002, ASYNC109, BLE001, SLF001

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from faust.transport.consumer import ensure_TP, ensure_TPset
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from faust.types.tuples import ack_lock

from services.aggregator.processor import Bounds, Chunk, Partition, Processor, Record
from services.aggregator.stream.assignor import WholeTopics
from services.aggregator.stream.chain import Chain
from services.aggregator.stream.lanes import Lanes
from services.infra.errors import ConfigurationError, UnavailableError
from services.infra.logs import get_logger

log = get_logger(__name__)

FETCH_WAIT_MS: Final = 50
"""The broker answers a fetch by then at the latest. Faust's own 1,500 ms would delay a partition that was being
worked on when the request went out; 50 ms gathers events into chunks and costs a tenth of the latency budget."""

FETCH_BYTES_MIN: Final = 64 * 1024
"""The broker answers at once when it has about 150 events; fewer wait up to FETCH_WAIT_MS for company."""

SETTLE_S: Final = 5.0
"""A chunk takes well under a second. Past this the database is away, and cancelling loses work but no event,
while the whole group waits for this worker."""

COMMIT_S: Final = 5.0
"""The group's offsets are only a hint for dashboards: a commit that does not get through is left to the next."""

LEAVE_S: Final = 5.0
"""A broker that is there answers a farewell within milliseconds."""

HEED_S: Final = 1.0
"""A worker that has lost its group is noticed long before its session times out."""

TROUBLES_S: Final = 10.0
"""A log and a database that are there answer within a second; without them the refusal stands as it is."""

OWN_PAUSE_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Between attempts to learn a partition's bounds and position while Kafka or Postgres is away."""


class Run(NamedTuple):
    """Records that one poll took of a partition, and the chain whose seek they follow."""

    chain: Chain
    records: Sequence[Record]


class ChunkMessage(ConsumerMessage):
    """A Faust message whose value is a Chunk and whose offset is the chunk's last."""

    __slots__ = ("chain",)
    chain: Chain


class ChunkSchema(faust.Schema[Any, Any]):
    """The value is a Chunk already: nothing to decode, so no decode error can skip a record."""

    def loads_key(self, app: Any, message: Message, **_options: Any) -> Any:
        return message.key

    def loads_value(self, app: Any, message: Message, **_options: Any) -> Any:
        return message.value


class ChunkThread(driver.AIOKafkaConsumerThread):
    """The consumer's own thread: polls run by run, seeks, and commits without dying of it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._claimed: dict[TP, Chain] = {}
        self._room = asyncio.Event()

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Read by `start`; Faust has no settings for these.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._fetch_min_bytes = FETCH_BYTES_MIN
        consumer._partition_assignment_strategy = (WholeTopics(partitions=self.app.conf.topic_partitions),)
        return consumer

    @faust.Service.task
    async def _heed_the_background(self) -> None:
        """End the worker when aiokafka's own tasks have failed.

        They note the error and wait, without a word and without end, until somebody asks; aiokafka's public methods
        do, Faust's and ours do not. A member whose coordination waits joins no group any more.
        """
        app = cast("ChunkApp", self.app)
        async for _ in self.itertimer(HEED_S, name="heed_the_background"):
            try:
                self._raise_background_error()
            except Exception as error:
                app.loop.call_soon_threadsafe(app.fail, error)
                return

    def _raise_background_error(self) -> None:
        consumer = self._consumer
        if consumer is None or consumer._closed or consumer._coordinator is None:
            return
        for task in (consumer._coordinator._coordination_task, consumer._fetcher._fetch_task):
            if task.cancelled():
                raise UnavailableError("a task of the Kafka client was cancelled, though nobody wanted it to end")
            if task.done():
                task.result()
        consumer._coordinator.check_errors()

    async def on_thread_stop(self) -> None:
        """Leave the group, unless the broker is away: then it finds out by itself.

        While it is away aiokafka's stop raises CancelledError though nobody cancelled it, and this thread would
        die without telling Faust, which then waits for it for ever.
        """
        try:
            async with asyncio.timeout(LEAVE_S):
                await super().on_thread_stop()
        except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            log.warning("group_not_left", error=type(error).__name__)

    async def claim(self, chains: Mapping[TP, Chain]) -> None:
        """Seek to the chains' starts and read for them from there on; raises IllegalStateError in a rebalance.

        No await: between the seeks and the claims no poll may take records, or a chain would miss them.
        """
        for tp, chain in chains.items():
            self._ensure_consumer().seek(tp, chain.next)
        self._claimed = dict(chains)

    def parts(self, topic: str) -> set[int]:
        """The numbers of a topic's partitions, as far as the broker has told."""
        return set(self._ensure_consumer().partitions_for_topic(topic) or ())

    def make_room(self) -> None:
        """Wake a poll that found every chain full. Called from Faust's thread."""
        self.thread_loop.call_soon_threadsafe(self._room.set)

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP] | None,
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Any:
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        # The context tells aiokafka that this member is alive, also when there is no room for records.
        with fetcher._subscriptions.fetch_context():
            self._room.clear()
            runs = await self._take_runs(fetcher)
            if not runs:
                await self._wait_for_records_or_room(fetcher, wait_s=timeout)
                runs = await self._take_runs(fetcher)
        return runs

    async def _take_runs(self, fetcher: Any) -> dict[TP, Run]:
        app = cast("ChunkApp", self.app)
        free = app.out_max - sum(chain.out for chain in self._claimed.values() if chain.open)
        runs: dict[TP, Run] = {}
        for tp in [tp for tp, chain in self._claimed.items() if chain.has_room]:
            if len(runs) >= free:
                break
            taken = await fetcher.fetched_records({tp}, timeout=0, max_records=app.chunk_events_max)
            if taken and tp in self._claimed:
                runs[tp] = Run(self._claimed[tp], taken[tp])
                # To the end of the row, so that every partition gets its turn.
                self._claimed[tp] = self._claimed.pop(tp)
        return runs

    async def _wait_for_records_or_room(self, fetcher: Any, *, wait_s: float | None) -> None:
        records = fetcher._create_fetch_waiter()
        room = asyncio.ensure_future(self._room.wait())
        await asyncio.wait({records, room}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        room.cancel()
        if records.done():
            records.result()  # carries the coordinator's fatal errors
        else:
            records.cancel()

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        mine = self.assignment()
        known = {driver.ensure_aiokafka_TP(tp): offset for tp, offset in offsets.items() if tp in mine}
        try:
            async with asyncio.timeout(COMMIT_S):
                await self._ensure_consumer().commit(known)
        except (KafkaError, TimeoutError) as error:
            log.warning("group_offsets_not_committed", error=type(error).__name__)
            return False
        return True


class ChunkConsumer(driver.Consumer):
    """Faust's consumer, reading chunks from where Postgres stands."""

    _thread: ChunkThread

    def __init__(self, *args: Any, **options: Any) -> None:
        self.chains: dict[TP, Chain] = {}
        self._owning: asyncio.Future[None] | None = None
        super().__init__(*args, **options)

    def _new_consumer_thread(self) -> ChunkThread:
        return ChunkThread(self, loop=self.loop, beacon=self.beacon)

    # Ownership: what happens between an assignment and the first record.

    async def perform_seek(self) -> None:
        """Begin to own what is assigned; the only place from which Faust seeks.

        Owning goes on in the background: Faust silently gives up its recovery, and with it the worker, when this
        takes longer than a request's timeout, and a database that is away for minutes must not end in that.
        Until a partition is owned it has no chain, and without a chain nothing of it is read.
        """
        self._stop_owning()
        self._owning = self.add_future(self._own(ensure_TPset(self.assignment())))

    async def _own(self, partitions: set[TP]) -> None:
        app = cast("ChunkApp", self.app)
        try:
            starts = await self._positions(partitions)
        except ConfigurationError as refusal:
            app.fail(await self._whole_refusal(refusal, {tp.topic for tp in partitions}))
            return
        except Exception as error:
            app.fail(error)
            return
        chains = {tp: Chain(starts[tp.topic, tp.partition]) for tp in partitions}
        # First here, then in the thread: a run that carries one of these chains follows its seek.
        self.chains = dict(chains)
        self._committed_offset.update({tp: chain.next for tp, chain in chains.items()})
        self._read_offset.update(dict.fromkeys(chains))
        try:
            await self._thread.call_thread(self._thread.claim, chains)
        except IllegalStateError:
            return  # assigned elsewhere meanwhile: the next assignment begins anew
        app.moved += 1
        log.info("partitions_owned", partitions=len(chains))

    async def _positions(self, partitions: set[TP]) -> Mapping[Partition, int]:
        processor, attempt = cast("ChunkApp", self.app).processor, 0
        while True:
            try:
                return await processor.take_ownership(await self._bounds(partitions))
            except (KafkaError, UnavailableError) as error:
                pause_s = OWN_PAUSE_S[min(attempt, len(OWN_PAUSE_S) - 1)]
                log.warning("ownership_delayed", error=type(error).__name__, again_in_s=pause_s)
                await asyncio.sleep(pause_s)
                attempt += 1

    async def _bounds(self, partitions: Iterable[TP]) -> Mapping[Partition, Bounds]:
        earliest = await self.earliest_offsets(*partitions)
        ends = await self.highwaters(*partitions)
        return {(tp.topic, tp.partition): Bounds(earliest[tp], ends[tp]) for tp in partitions}

    async def _whole_refusal(self, refusal: ConfigurationError, topics: Iterable[str]) -> ConfigurationError:
        """Name every partition that needs an operator's word, also those that other workers happen to be assigned."""
        everything = [TP(topic, part) for topic in topics for part in self._thread.parts(topic)]
        try:
            async with asyncio.timeout(TROUBLES_S):
                troubles = await cast("ChunkApp", self.app).processor.troubles(await self._bounds(everything))
        except (KafkaError, UnavailableError, TimeoutError) as error:
            log.warning("refusal_not_completed", error=type(error).__name__)
            return refusal
        return ConfigurationError("\n".join(troubles)) if troubles else refusal

    def _stop_owning(self) -> None:
        if self._owning is not None:
            self._owning.cancel()
            self._owning = None

    # Reading.

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        if not self.flow_active:
            await self.wait(cast("Any", self.can_resume_flow))
        runs = cast("Mapping[TP, Run]", await self._thread.getmany(None, timeout))
        for tp, run in runs.items():
            # Of a chain that is over: its partition is sought again before anything more of it is read.
            if run.chain.open and run.chain is self.chains.get(tp):
                yield tp, self._message(tp, run)

    def _message(self, tp: TP, run: Run) -> ChunkMessage:
        last = run.records[-1]
        first = run.chain.hand_out(last=last.offset)
        chunk = Chunk(tp.topic, tp.partition, first, last.offset + 1, run.records)
        message = ChunkMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000, 0, None, None, cast("Any", chunk), None, 0, 0,
            tp, generation_id=self.app.consumer_generation_id,
        )  # fmt: skip
        message.chain = run.chain
        return message

    # Coming back: acks, commits, and the end of an ownership.

    def ack(self, message: Message) -> bool:
        with ack_lock:
            if message.acked:
                return False
            message.acked = True
        chunk_message = cast("ChunkMessage", message)
        chunk_message.chain.take_back(last=message.offset)
        cast("ChunkApp", self.app).moved += 1
        self._thread.make_room()
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter([tp for tp in self.chains if topics is None or tp in topics or tp.topic in topics])

    def _new_offset(self, tp: TP) -> int | None:
        return self.chains[tp].done if tp in self.chains else None

    def stop_flow(self) -> None:
        """Close every chain: before a rebalance and at the end, nothing more is handed out or begun."""
        self._stop_owning()
        for chain in self.chains.values():
            chain.open = False
        super().stop_flow()

    async def wait_empty(self) -> None:
        """Let the chunks in the database end, drop those that wait, and commit what is done."""
        await cast("ChunkApp", self.app).lanes.settle(within_s=SETTLE_S)
        self._unacked_messages.clear()
        if not self.crashed:  # else the thread is ending by itself, and a call into it would be cancelled
            await self.commit_and_end_transactions()

    async def on_partitions_revoked(self, revoked: Iterable[TP]) -> None:
        partitions = ensure_TPset(revoked)
        await super().on_partitions_revoked(partitions)
        for tp in partitions:
            self.chains.pop(tp, None)
        cast("ChunkApp", self.app).processor.forget([(tp.topic, tp.partition) for tp in partitions])

    # What Faust does by the message and chunks do without.

    def on_buffer_full(self, tp: TP) -> None:
        """Chains bound what is out; Faust would stop all reading for a second."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Chunks follow each other without a gap by construction; a hole in the log is the pipeline's to judge."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's detector compares clocks of different kinds and cries wolf; the watchdog stands in for it."""


class ChunkTransport(driver.Transport):
    """Faust's Kafka transport with the consumer above."""

    Consumer = ChunkConsumer


class ChunkApp(faust.App):
    """A Faust app that reads chunks into lanes.

    `processor` and `lanes` exist from `on_start` on, because they belong to the event loop that runs the app.
    """

    processor: Processor
    lanes: Lanes
    chunk_events_max: int
    out_max: int
    moved: int = 0
    """Rises with every chunk stored and every ownership taken: what the watchdog looks at."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.failure: Exception | None = None
        self.failed = asyncio.Event()
        super().__init__(*args, **options)

    def fail(self, error: Exception) -> None:
        """End the worker for a reason; the first one counts.

        Not by Faust's `crash`, which takes the consumer's thread down under whoever still uses it: whoever runs
        the app waits for `failed` and stops it in good order.
        """
        if self.failure is None:
            self.failure = error
            self.failed.set()

    def _new_transport(self) -> Any:
        return ChunkTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Make none: there are no tables, so a worker runs where it may not write."""


def positions(app: ChunkApp) -> dict[Partition, int | None]:
    """How far each assigned partition is stored; None while it is not owned yet."""
    consumer = app._consumer
    if not isinstance(consumer, ChunkConsumer) or not consumer._thread._consumer:
        return {}
    chains = consumer.chains
    assigned = map(ensure_TP, consumer.assignment())
    return {(tp.topic, tp.partition): chains[tp].done if tp in chains else None for tp in assigned}
