"""Chunked consuming inside Faust: one Faust message is one run of records of one partition.

Faust costs about 60 µs a message, so the message is made large. Everything here stands on private names of
faust-streaming 0.15.3 and aiokafka 0.14; tests/contract/aggregator/stream holds each of them.
"""

# Overrides carry Faust's own signatures, and aiokafka is untyped.
# ruff: noqa: ANN401, ARG002, ASYNC109, BLE001, SLF001

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final, cast

import faust
from aiokafka.errors import IllegalStateError, KafkaError
from faust.transport.consumer import ensure_TP, ensure_TPset
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from faust.types.tuples import ack_lock

from schemas.topics import Partition
from services.aggregator.processor import Bounds, Chunk, Processor
from services.aggregator.stream.chain import Chain
from services.aggregator.stream.lanes import Lanes
from services.aggregator.stream.polling import ChunkThread, Run
from services.infra.errors import UnavailableError
from services.infra.logs import get_logger

log = get_logger(__name__)

SETTLE_S: Final = 5.0
"""A chunk takes well under a second. Past this the database is away, and cancelling loses work but no event,
while the whole group waits for this worker."""

OWN_PAUSE_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Between attempts to learn a partition's bounds and position while Kafka or Postgres is away."""


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


class ChunkConsumer(driver.Consumer):
    """Faust's consumer, reading chunks from where Postgres stands."""

    _thread: ChunkThread

    def __init__(self, *args: Any, **options: Any) -> None:
        self.chains: dict[TP, Chain] = {}
        self._owning: asyncio.Future[None] | None = None
        self._leaving = False
        """Between a revocation and the assignment that follows it."""
        super().__init__(*args, **options)

    def _new_consumer_thread(self) -> ChunkThread:
        return ChunkThread(self, loop=self.loop, beacon=self.beacon)

    # Ownership: what happens between an assignment and the first record.

    async def perform_seek(self) -> None:
        """Begin to own what is assigned; the only place from which Faust seeks.

        Owning goes on in the background: Faust silently gives up its recovery, and with it the worker, when this
        takes longer than a request's timeout, and a database that is away for minutes must not end in that.
        Until a partition is owned it has no chain, and without a chain nothing of it is read.

        Faust's recovery of one assignment may come this far when the next revocation has begun. What it would own
        is about to be somebody else's, and chunks of it would be dropped from a queue that nobody reads.
        """
        if self._leaving:
            return
        self._stop_owning()
        self._owning = self.add_future(self._own(ensure_TPset(self.assignment())))

    async def _own(self, partitions: set[TP]) -> None:
        app = cast("ChunkApp", self.app)
        await self._end_chains()
        try:
            starts = await self._positions(partitions)
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

    async def _end_chains(self) -> None:
        """Leave nothing under way of an ownership that another is about to take the place of."""
        for chain in self.chains.values():
            chain.open = False
        await cast("ChunkApp", self.app).lanes.settle(within_s=SETTLE_S)

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
            lost = await self._lost(tp, run) if self._goes_on(tp, run.chain) else 0
            if self._goes_on(tp, run.chain):
                yield tp, self._message(tp, run, lost=lost)

    def _goes_on(self, tp: TP, chain: Chain) -> bool:
        """Tell it from a chain that is over: its partition is sought again before anything more of it is read."""
        return chain.open and chain is self.chains.get(tp)

    async def _lost(self, tp: TP, run: Run) -> int:
        """How many offsets before the run's first record lie before the log's start; a mere hole is no loss."""
        if not run.begins > run.chain.next:
            return 0
        earliest = (await self.earliest_offsets(tp))[tp]
        return max(0, min(earliest, run.begins) - run.chain.next)

    def own_again(self) -> None:
        """Begin to own what is assigned anew: the log that the records came from may be another one."""
        if not self._leaving:
            self._stop_owning()
            self._owning = self.add_future(self._own(ensure_TPset(self.assignment())))

    def _message(self, tp: TP, run: Run, *, lost: int) -> ChunkMessage:
        last = run.next - 1
        appended_ms = run.records[-1].timestamp if run.records else 0
        first = run.chain.hand_out(last=last)
        chunk = Chunk(tp.topic, tp.partition, first, run.next, run.records, lost)
        message = ChunkMessage(
            tp.topic, tp.partition, last, appended_ms / 1000, 0, None, None, cast("Any", chunk), None, 0, 0,
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
        self._leaving = True
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

    async def on_partitions_assigned(self, assigned: Iterable[TP], generation_id: int = 0) -> None:
        self._leaving = False
        await super().on_partitions_assigned(ensure_TPset(assigned), generation_id)

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
