"""The Kafka client's own thread: polls run by run, seeks, commits, leaves, and heeds what fails behind it.

It stands on private names as chunks.py does, held by the same tests.
"""

# Overrides carry Faust's own signatures, and aiokafka is untyped.
# ruff: noqa: ANN401, ARG002, ASYNC109, BLE001, SLF001

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, cast

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.client import ConnectionGroup
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from services.aggregator.processor import Record
from services.aggregator.stream.assignor import WholeTopics
from services.aggregator.stream.chain import Chain
from services.infra.errors import UnavailableError
from services.infra.logs import get_logger

log = get_logger(__name__)

FETCH_WAIT_MS: Final = 50
"""The broker answers a fetch by then at the latest. Faust's own 1,500 ms would delay a partition that was being
worked on when the request went out; 50 ms gathers events into chunks and costs a tenth of the latency budget."""

FETCH_BYTES_MIN: Final = 64 * 1024
"""The broker answers at once when it has about 150 events; fewer wait up to FETCH_WAIT_MS for company."""

COMMIT_S: Final = 5.0
"""The group's offsets are only a hint for dashboards: a commit that does not get through is left to the next."""

LEAVE_S: Final = 5.0
"""A broker that is there answers a farewell within milliseconds."""

HEED_S: Final = 1.0
"""A worker that has lost its group is noticed long before its session times out."""


class Run(NamedTuple):
    """What one poll took of a partition: offsets up to `next`, and the chain whose seek they follow."""

    chain: Chain
    records: Sequence[Record]
    next: int
    """Behind the last record, or behind what holds none: markers, compacted and aborted records."""

    @property
    def begins(self) -> int:
        """The first record's offset, or the end where there is none."""
        return self.records[0].offset if self.records else self.next


class Reader(Protocol):
    """What the thread needs of the app that it reads for."""

    loop: asyncio.AbstractEventLoop
    chunk_events_max: int
    out_max: int
    consumer: Any

    def fail(self, error: Exception) -> None:
        """End the worker for this reason."""


class ChunkThread(driver.AIOKafkaConsumerThread):
    """The consumer's own thread: polls run by run, seeks, and commits without dying of it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._claimed: dict[TP, Chain] = {}
        self._lines: dict[TP, object] = {}
        """By which connection the first run of each chain came."""
        self._room = asyncio.Event()

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Read by `start`; Faust has no settings for these.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._fetch_min_bytes = FETCH_BYTES_MIN
        # What a producer took back in its transaction never happened.
        consumer._isolation_level = "read_committed"
        consumer._partition_assignment_strategy = (WholeTopics(partitions=self.app.conf.topic_partitions),)
        return consumer

    @faust.Service.task
    async def _heed_the_background(self) -> None:
        """End the worker when aiokafka's own tasks have failed.

        They note the error and wait, without a word and without end, until somebody asks; aiokafka's public methods
        do, Faust's and ours do not. A member whose coordination waits joins no group any more.
        """
        app = cast("Reader", self.app)
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
        self._lines = {}

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
        app = cast("Reader", self.app)
        free = app.out_max - sum(chain.out for chain in self._claimed.values() if chain.open)
        runs: dict[TP, Run] = {}
        for tp in [tp for tp, chain in self._claimed.items() if chain.has_room]:
            if len(runs) >= free:
                break
            taken = await fetcher.fetched_records({tp}, timeout=0, max_records=app.chunk_events_max)
            run = self._run(fetcher, tp, taken.get(tp, ()))
            if run is not None and tp in self._claimed:
                if self._strange(fetcher, tp, run):
                    self._claimed = {}
                    consumer = app.consumer
                    app.loop.call_soon_threadsafe(consumer.own_again)
                    return {}
                runs[tp] = run
                # To the end of the row, so that every partition gets its turn.
                self._claimed[tp] = self._claimed.pop(tp)
        return runs

    def _run(self, fetcher: Any, tp: TP, records: Sequence[Record]) -> Run | None:
        """What was taken; without records, how far the client has gone over offsets that hold none."""
        chain = self._claimed.get(tp)
        if chain is None:
            return None
        if records:
            return Run(chain, records, records[-1].offset + 1)
        subscription = fetcher._subscriptions.subscription
        state = subscription.assignment.state_value(tp) if subscription and subscription.assignment else None
        position = state.position if state is not None and state.has_valid_position else chain.next
        return Run(chain, (), position) if position > chain.next and not chain.out else None

    def _strange(self, fetcher: Any, tp: TP, run: Run) -> bool:
        """Whether these records may be of another log than those before: of a broker that was reached anew.

        A log can lose its tail, or be made anew, only while its broker is away; offsets alone do not tell.
        """
        line = self._line(fetcher, tp)
        return line is not self._lines.setdefault(tp, line) or run.begins < run.chain.next

    def _line(self, fetcher: Any, tp: TP) -> object:
        """The connection to the partition's leader; None without one."""
        leader = fetcher._client.cluster.leader_for_partition(tp)
        return fetcher._client._conns.get((leader, ConnectionGroup.DEFAULT))

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
