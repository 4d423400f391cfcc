"""What services/aggregator/stream takes for granted of Faust and aiokafka beyond their public interfaces.

Each test holds a private name, or a behaviour that no document promises. When an upgrade breaks one, read what
became of it before touching the pin: the stream's exactly-once effect stands on these.
"""

from __future__ import annotations

import ast
import asyncio
import functools
import inspect
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import aiokafka
import faust
import faust.agents.agent
import faust.app.base
import faust.tables.recovery
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.consumer import consumer as kafka_consumer
from aiokafka.consumer import fetcher as kafka_fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import Assignment as AioAssignment
from aiokafka.consumer.subscription_state import SubscriptionState, TopicPartitionState
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaConnectionError
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage, Message
from hypothesis import given, settings
from hypothesis import strategies as st
from mode import Service
from mode import threads as mode_threads

from services.aggregator.stream import polling
from services.aggregator.stream.app import AggregatorApp, create_app
from services.aggregator.stream.chain import Chain
from services.aggregator.stream.chunks import ChunkConsumer, ChunkMessage
from services.aggregator.stream.lanes import Lanes, Work
from services.aggregator.stream.polling import ChunkThread, Run
from services.infra.errors import ConfigurationError, UnavailableError
from services.infra.settings import AggregatorSettings, Settings
from tests.support.fenced_ledger import FencedLedger, opened

FAUST = Path(faust.__file__).parent

PINS = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}

SIGNATURES: Mapping[str, tuple[Callable[..., Any], str]] = {
    # Overridden in ChunkConsumer.
    "Consumer.perform_seek": (driver.Consumer.perform_seek, "(self)"),
    "Consumer.getmany": (driver.Consumer.getmany, "(self, timeout)"),
    "Consumer.ack": (driver.Consumer.ack, "(self, message)"),
    "Consumer._filter_tps_with_pending_acks": (driver.Consumer._filter_tps_with_pending_acks, "(self, topics=None)"),
    "Consumer._new_offset": (driver.Consumer._new_offset, "(self, tp)"),
    "Consumer.stop_flow": (driver.Consumer.stop_flow, "(self)"),
    "Consumer.wait_empty": (driver.Consumer.wait_empty, "(self)"),
    "Consumer.on_partitions_assigned": (
        driver.Consumer.on_partitions_assigned,
        "(self, assigned, generation_id=0)",
    ),
    "Consumer.on_partitions_revoked": (driver.Consumer.on_partitions_revoked, "(self, revoked)"),
    "Consumer.on_buffer_full": (driver.Consumer.on_buffer_full, "(self, tp)"),
    "Consumer._add_gap": (driver.Consumer._add_gap, "(self, tp, offset_from, offset_to)"),
    "Consumer.verify_event_path": (driver.Consumer.verify_event_path, "(self, now, tp)"),
    "Consumer._new_consumer_thread": (driver.Consumer._new_consumer_thread, "(self)"),
    # Overridden in ChunkThread.
    "Thread.__post_init__": (driver.AIOKafkaConsumerThread.__post_init__, "(self)"),
    "Thread._create_worker_consumer": (driver.AIOKafkaConsumerThread._create_worker_consumer, "(self, transport)"),
    "Thread._fetch_records": (
        driver.AIOKafkaConsumerThread._fetch_records,
        "(self, consumer, active_partitions, timeout=None, max_records=None)",
    ),
    "Thread.on_thread_stop": (driver.AIOKafkaConsumerThread.on_thread_stop, "(self)"),
    "Thread._commit": (driver.AIOKafkaConsumerThread._commit, "(self, offsets)"),
    # Overridden in the schema and the app.
    "Schema.loads_key": (faust.Schema.loads_key, "(self, app, message, *, loads=None, serializer=None)"),
    "Schema.loads_value": (faust.Schema.loads_value, "(self, app, message, *, loads=None, serializer=None)"),
    "App._new_transport": (faust.App._new_transport, "(self)"),
    "App._create_directories": (faust.App._create_directories, "(self)"),
    "App.on_start": (faust.App.on_start, "(self)"),
    # Called.
    "Consumer.assignment": (driver.Consumer.assignment, "(self)"),
    "Consumer.earliest_offsets": (driver.Consumer.earliest_offsets, "(self, *partitions)"),
    "Consumer.highwaters": (driver.Consumer.highwaters, "(self, *partitions)"),
    "Consumer.commit_and_end_transactions": (driver.Consumer.commit_and_end_transactions, "(self)"),
    "Thread.getmany": (driver.AIOKafkaConsumerThread.getmany, "(self, active_partitions, timeout)"),
    "Thread._ensure_consumer": (driver.AIOKafkaConsumerThread._ensure_consumer, "(self)"),
    "Thread.call_thread": (mode_threads.QueueServiceThread.call_thread, "(self, fun, *args, **kwargs)"),
    "driver.ensure_aiokafka_TP": (driver.ensure_aiokafka_TP, "(tp)"),
    "consumer.ensure_TP": (faust_consumer.ensure_TP, "(tp)"),
    "consumer.ensure_TPset": (faust_consumer.ensure_TPset, "(tps)"),
    "Service.itertimer": (
        Service.itertimer,
        "(self, interval, *, max_drift_correction=0.1, sleep=None, clock=<built-in function perf_counter>, name='')",
    ),
    "GroupCoordinator.check_errors": (GroupCoordinator.check_errors, "(self)"),
    "Service.add_future": (Service.add_future, "(self, coro)"),
    "Service.add_async_context": (Service.add_async_context, "(self, context)"),
    "Fetcher.fetched_records": (
        kafka_fetcher.Fetcher.fetched_records,
        "(self, partitions, timeout=0, max_records=None)",
    ),
    "Fetcher._create_fetch_waiter": (kafka_fetcher.Fetcher._create_fetch_waiter, "(self)"),
    "SubscriptionState.fetch_context": (SubscriptionState.fetch_context, "(self)"),
    "AIOKafkaConsumer.seek": (aiokafka.AIOKafkaConsumer.seek, "(self, partition, offset)"),
    "AIOKafkaConsumer.commit": (aiokafka.AIOKafkaConsumer.commit, "(self, offsets=None)"),
    "AIOKafkaConsumer.partitions_for_topic": (aiokafka.AIOKafkaConsumer.partitions_for_topic, "(self, topic)"),
    "AIOKafkaConsumer.beginning_offsets": (aiokafka.AIOKafkaConsumer.beginning_offsets, "(self, partitions)"),
    "AIOKafkaConsumer.end_offsets": (aiokafka.AIOKafkaConsumer.end_offsets, "(self, partitions)"),
}


@pytest.mark.parametrize("package", sorted(PINS))
def test_the_installed_version_is_the_one_that_was_read(package: str) -> None:
    assert version(package) == PINS[package]


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_a_name_that_is_overridden_or_called_has_the_signature_it_had(name: str) -> None:
    function, expected = SIGNATURES[name]

    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
    ]

    assert str(inspect.Signature(parameters)) == expected


# Seeking


SEEKS = {"seek", "_seek", "seek_wait", "seek_to_beginning", "seek_to_end", "seek_to_committed"}


class Calls(ast.NodeVisitor):
    """Collects which function calls which of some methods."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._path: list[str] = []
        self.found: set[str] = set()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._inside(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._inside(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in self._names:
            self.found.add(f"{'.'.join(self._path)} -> {node.attr}")
        self.generic_visit(node)

    def _inside(self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._path.append(node.name)
        self.generic_visit(node)
        self._path.pop()


def callers(names: set[str], files: Iterable[str]) -> set[str]:
    calls = Calls(names)
    for file in files:
        calls.visit(ast.parse((FAUST / file).read_text()))
    return calls.found


def stream_files() -> list[str]:
    paths = {path.relative_to(FAUST).as_posix() for path in FAUST.rglob("*.py")}
    return sorted(paths - {"transport/drivers/confluent.py", "stores/rocksdb.py"})


def test_perform_seek_is_the_only_way_by_which_faust_seeks_a_stream() -> None:
    assert callers(SEEKS, stream_files()) == {
        "Consumer.perform_seek -> seek_to_committed",
        "Consumer.seek -> _seek",
        # Delegation to the thread, and by it to aiokafka.
        "ThreadDelegateConsumer.seek_to_committed -> seek_to_committed",
        "ThreadDelegateConsumer.seek_wait -> seek_wait",
        "ThreadDelegateConsumer._seek -> seek",
        "AIOKafkaConsumerThread.seek_to_committed -> seek_to_committed",
        "AIOKafkaConsumerThread.seek_to_beginning -> seek_to_beginning",
        "AIOKafkaConsumerThread._seek_wait -> seek",
        "AIOKafkaConsumerThread.seek -> seek",
        # Changelogs of tables, which this app has none of.
        "Recovery._seek_offsets -> seek_wait",
    }


def test_perform_seek_is_called_after_an_assignment_and_in_the_getmany_that_is_replaced() -> None:
    assert callers({"perform_seek"}, stream_files()) == {
        "Recovery._resume_streams -> perform_seek",
        "Recovery.on_recovery_completed -> perform_seek",
        "Consumer.getmany -> perform_seek",
    }


async def test_faust_gives_up_without_a_word_when_a_seek_takes_too_long() -> None:
    # Why ownership is taken in the background: "stopped" makes Recovery._restart_recovery end its loop for good.
    service = Service()

    result = await service.wait_first(asyncio.sleep(30), timeout=0.01)

    assert result.stopped
    assert not service.should_stop
    source = inspect.getsource(faust.tables.recovery.Recovery._wait)
    assert "if wait_result.stopped:" in source
    assert "raise ServiceStopped()" in source


# Losing partitions


class Recorder(SimpleNamespace):
    """Notes calls in their order."""

    def __init__(self, **answers: object) -> None:
        super().__init__(**answers)
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return functools.partial(self._note, name)

    def _note(self, name: str, *_arguments: object) -> object:
        self.calls.append(name)
        return asyncio.sleep(0) if name in {"wait_empty", "stop_fetcher"} else None


@contextmanager
def unstarted(processor: Any) -> Iterator[AggregatorApp]:  # noqa: ANN401 - some tests need none
    """An app whose consumer exists, with a thread that was never started and a loop to close."""
    made = create_app(Settings(), functools.partial(opened, processor), group="contract", topics=["t"])
    made.processor = processor
    made.lanes = Lanes(made.processor.process, lanes=1, failed=made.fail)
    made.finalize()
    consumer = cast("ChunkConsumer", made.consumer)
    try:
        yield made
    finally:
        consumer._thread.thread_loop.close()


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[AggregatorApp]:
    with unstarted(FencedLedger(tmp_path / "ledger.db")) as made:
        yield made


async def test_on_a_revocation_the_flow_stops_before_the_wait_for_what_is_out(
    app: AggregatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer, flow = Recorder(), Recorder()
    consumer.assignment = lambda: {TP("t", 0)}
    flow.calls = consumer.calls
    monkeypatch.setattr(app, "_consumer", consumer)
    monkeypatch.setattr(app, "flow_control", flow)

    await app._on_partitions_revoked({TP("t", 0)})

    assert consumer.calls == ["stop_flow", "suspend", "pause_partitions", "clear", "wait_empty"]


async def test_at_the_end_the_flow_stops_before_the_wait_for_what_is_out(
    app: AggregatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer, flow = Recorder(), Recorder()
    consumer.assignment = lambda: {TP("t", 0)}
    flow.calls = consumer.calls
    monkeypatch.setattr(app, "_consumer", consumer)
    monkeypatch.setattr(app, "flow_control", flow)
    fetcher = SimpleNamespace(stop=functools.partial(consumer._note, "stop_fetcher"), service_reset=lambda: None)
    monkeypatch.setitem(app.__dict__, "_fetcher", fetcher)

    await app._stop_consumer()

    assert consumer.calls[:6] == ["stop_flow", "suspend", "pause_partitions", "clear", "stop_fetcher", "wait_empty"]


async def test_the_consumer_s_revocation_calls_the_app_s_and_forgets_committed_positions_first(
    app: AggregatorApp,
) -> None:
    consumer, tp = chunk_consumer(app), TP("t", 0)
    consumer._committed_offset[tp] = 5
    seen: list[int | None] = []

    async def revoked(_partitions: set[TP]) -> None:
        seen.append(consumer._committed_offset.get(tp))

    consumer._on_partitions_revoked = revoked
    await driver.Consumer.on_partitions_revoked(consumer, {tp})

    assert seen == [None]
    # None means "commit whatever is done", so what came back until then is committed and not lost.
    assert consumer._should_commit(tp, 1)


# Reading


def chunk_consumer(app: AggregatorApp) -> ChunkConsumer:
    """The app's consumer over a Kafka client that only remembers; calls into the thread run at once."""
    consumer = cast("ChunkConsumer", app.consumer)
    consumer._thread._consumer = FakeKafka()

    async def call_thread(function: Callable[..., Any], *arguments: object, **options: object) -> object:
        result = function(*arguments, **options)
        return await result if inspect.isawaitable(result) else result

    consumer._thread.call_thread = call_thread  # type: ignore[method-assign, assignment] # no thread is started here
    consumer._thread.make_room = lambda: None  # type: ignore[method-assign] # likewise
    return consumer


class FakeKafka:
    """What of aiokafka's consumer the commit path uses."""

    def __init__(self) -> None:
        self.committed: dict[Any, int] = {}
        self.sought: dict[Any, int] = {}

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("t", 0), TopicPartition("t", 1)}

    def seek(self, partition: TP, offset: int) -> None:
        self.sought[partition] = offset

    async def commit(self, offsets: Mapping[Any, int]) -> None:
        self.committed |= offsets

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return {0, 1, 2, 3}

    async def beginning_offsets(self, partitions: Iterable[TP]) -> dict[TP, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: Iterable[TP]) -> dict[TP, int]:
        return dict.fromkeys(partitions, 1000)


def run_of(chain: Chain, *, length: int) -> Run:
    records = [
        SimpleNamespace(offset=chain.next + number, timestamp=0, key=None, value=b"", headers=())
        for number in range(length)
    ]
    return Run(chain, records, chain.next + length)


async def test_owning_seeks_to_the_processor_s_offsets_and_to_no_others(app: AggregatorApp) -> None:
    consumer = chunk_consumer(app)
    ledger = cast("FencedLedger", app.processor)
    ledger.move(("t", 0), position=0)
    ledger.move(("t", 1), position=77)

    await consumer.perform_seek()
    await asyncio.wait_for(cast("asyncio.Future[None]", consumer._owning), 5)

    fake = cast("FakeKafka", consumer._thread._consumer)
    assert fake.sought == {TP("t", 0): 0, TP("t", 1): 77}
    assert {tp.partition: chain.next for tp, chain in consumer.chains.items()} == {0: 0, 1: 77}
    assert consumer._thread._claimed == consumer.chains


async def test_nothing_is_owned_between_a_revocation_and_the_next_assignment(
    app: AggregatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Faust's recovery of the former assignment may come to its seek only then: nothing in it looks for a revocation.
    source = inspect.getsource(faust.tables.recovery.Recovery._resume_streams)
    assert source.index("consumer_generation_id != generation_id") < source.index("consumer.perform_seek()")
    assert "consumer_generation_id = generation" in inspect.getsource(
        driver.ConsumerRebalanceListener.on_partitions_assigned
    )
    consumer = chunk_consumer(app)
    monkeypatch.setattr(consumer, "_on_partitions_assigned", AsyncMock())

    consumer.stop_flow()
    await consumer.perform_seek()
    assert consumer._owning is None
    await consumer.on_partitions_assigned({TP("t", 0)})
    await consumer.perform_seek()

    await asyncio.wait_for(cast("asyncio.Future[None]", consumer._owning), 5)
    assert set(consumer.chains) == {TP("t", 0), TP("t", 1)}


async def test_a_second_ownership_begins_only_when_nothing_of_the_first_is_under_way(app: AggregatorApp) -> None:
    consumer = chunk_consumer(app)
    ledger = cast("FencedLedger", app.processor)
    await consumer.perform_seek()
    await asyncio.wait_for(cast("asyncio.Future[None]", consumer._owning), 5)
    first = consumer.chains[TP("t", 0)]
    under_way = consumer._message(TP("t", 0), run_of(first, length=3), lost=0)
    ledger.pause_s = 0.05
    app.lanes.put(Work(cast("Any", under_way).value, stored=lambda: consumer.ack(under_way)))
    await asyncio.sleep(0)

    await consumer.perform_seek()
    await asyncio.wait_for(cast("asyncio.Future[None]", consumer._owning), 5)

    assert not first.open
    assert consumer.chains[TP("t", 0)].next == 3
    assert app.failure is None


async def test_a_refusal_stands_when_the_log_goes_away_before_it_is_complete(
    app: AggregatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer, asked = chunk_consumer(app), []
    cast("FencedLedger", app.processor).move(("t", 1), position=2000)
    ends = consumer.highwaters

    async def away_after_the_first(*partitions: TP) -> Mapping[TP, int]:
        asked.append(partitions)
        if len(asked) > 1:
            raise KafkaConnectionError
        return await ends(*partitions)

    monkeypatch.setattr(consumer, "highwaters", away_after_the_first)

    await consumer.perform_seek()
    await asyncio.wait_for(app.failed.wait(), 5)

    assert isinstance(app.failure, ConfigurationError)
    assert str(app.failure) == f"{('t', 1)} is stored up to 2000, the log ends at 1000"


async def test_a_run_that_was_polled_before_the_seek_is_not_delivered(app: AggregatorApp) -> None:
    consumer, tp = chunk_consumer(app), TP("t", 0)
    stale, current = Chain(0), Chain(0)
    consumer.chains = {tp: current}
    consumer.flow_active = True

    async def delivered(run: Run) -> list[Message]:
        async def getmany(_active: object, _timeout: float) -> dict[TP, Run]:
            return {tp: run}

        consumer._thread.getmany = getmany  # type: ignore[method-assign, assignment] # the poll is scripted
        return [message async for _, message in consumer.getmany(1.0)]

    assert await delivered(run_of(stale, length=3)) == []
    assert [message.offset for message in await delivered(run_of(current, length=3))] == [2]
    current.open = False
    assert await delivered(run_of(current, length=3)) == []


async def test_faust_drains_getmany_into_its_callback_and_drops_only_what_it_has_read(app: AggregatorApp) -> None:
    consumer, tp = chunk_consumer(app), TP("t", 0)
    delivered: list[int] = []
    fetcher = Service()

    async def getmany(*, timeout: float) -> Any:  # noqa: ANN401, ASYNC109 - as Faust calls it
        assert timeout == 1.0
        for last in (9, 5, 19):
            chain = Chain(last)
            yield tp, consumer._message(tp, run_of(chain, length=1), lost=0)
        fetcher._stopped.set()

    async def callback(message: Message) -> None:
        delivered.append(message.offset)

    consumer.getmany = getmany  # type: ignore[method-assign, assignment] # scripted
    consumer.callback = callback
    consumer._read_offset[tp] = None
    await consumer._drain_messages(fetcher)

    assert delivered == [9, 19]


async def test_a_message_of_an_earlier_generation_does_not_reach_the_agent() -> None:
    source = inspect.getsource(faust.Stream)

    assert "message.generation_id != self.app.consumer_generation_id" in source
    assert "generation_id" in Message.__slots__


# Acks and commits


def test_a_chunk_message_is_one_of_faust_s_and_tells_its_last_ack_to_the_consumer() -> None:
    message = ChunkMessage("t", 0, 41, 0.0, 0, None, None, None, None, 0, 0, TP("t", 0), generation_id=1)
    acked: list[Message] = []
    consumer = SimpleNamespace(ack=acked.append)

    message.incref(2)
    message.ack(cast("Any", consumer))
    assert acked == []
    message.ack(cast("Any", consumer))

    assert acked == [message]
    assert isinstance(message, ConsumerMessage)


@given(
    lengths=st.lists(st.integers(min_value=1, max_value=9), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=30)
def test_faust_never_commits_past_a_chunk_that_is_out(
    lengths: list[int],
    order: Any,  # noqa: ANN401 - Hypothesis types its Random as object
) -> None:
    async def scenario() -> None:
        with unstarted(Recorder()) as made:
            await acks_in_any_order(chunk_consumer(made))

    async def acks_in_any_order(consumer: ChunkConsumer) -> None:
        tp = TP("t", 0)
        chain = consumer.chains[tp] = Chain(100)
        out = [consumer._message(tp, run_of(chain, length=length), lost=0) for length in lengths]
        firsts = [100 + sum(lengths[:number]) for number in range(len(lengths) + 1)]
        pending = list(enumerate(out))
        order.shuffle(pending)
        fake = cast("FakeKafka", consumer._thread._consumer)
        while pending:
            _, message = pending.pop()
            message.incref()
            message.ack(consumer)
            await consumer.commit()

            oldest = min((number for number, _ in pending), default=len(lengths))
            assert fake.committed.get(TopicPartition("t", 0), 100) == firsts[oldest]

    asyncio.run(scenario())


async def test_a_commit_that_fails_does_not_end_the_worker(app: AggregatorApp) -> None:
    consumer, tp = chunk_consumer(app), TP("t", 0)
    consumer.chains[tp] = Chain(0)
    message = consumer._message(tp, run_of(consumer.chains[tp], length=3), lost=0)
    message.incref()
    message.ack(consumer)

    async def refuse(_offsets: object) -> None:
        raise IllegalStateError("not assigned any more")

    cast("FakeKafka", consumer._thread._consumer).commit = refuse  # type: ignore[method-assign, assignment] # scripted

    assert await consumer.commit() is False
    assert not app.crashed
    assert not consumer._thread.crashed


# aiokafka


def test_the_waits_of_a_fetch_are_read_when_the_consumer_starts() -> None:
    source = inspect.getsource(kafka_consumer.AIOKafkaConsumer.start)

    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in source
    assert "fetch_min_bytes=self._fetch_min_bytes" in source


async def test_the_thread_s_kafka_client_waits_as_long_as_the_latency_allows(app: AggregatorApp) -> None:
    thread = cast("ChunkConsumer", app.consumer)._thread

    client = thread._create_worker_consumer(app.transport)

    client._closed = True  # it has opened nothing
    assert client._fetch_max_wait_ms == polling.FETCH_WAIT_MS
    assert client._fetch_min_bytes == polling.FETCH_BYTES_MIN
    assert client._max_partition_fetch_bytes == AggregatorSettings().fetch_bytes
    assert client._enable_auto_commit is False
    assert client._auto_offset_reset == "earliest"


def test_the_assignor_is_read_when_the_consumer_starts() -> None:
    source = inspect.getsource(kafka_consumer.AIOKafkaConsumer.start)

    assert "assignors=self._partition_assignment_strategy" in source


def test_what_fails_in_the_background_waits_until_somebody_asks() -> None:
    source = inspect.getsource(GroupCoordinator._push_error_to_user)

    assert "[self._error_consumed_fut, self._closing]" in source
    assert "check_errors" not in inspect.getsource(driver.AIOKafkaConsumerThread)
    assert "self._coordination_task = create_task(" in inspect.getsource(GroupCoordinator.__init__)
    assert "self._fetch_task = create_task(" in inspect.getsource(kafka_fetcher.Fetcher.__init__)


@pytest.mark.parametrize("task", ["_coordination_task", "_fetch_task"])
async def test_a_background_task_that_was_cancelled_is_a_failure_too(app: AggregatorApp, task: str) -> None:
    thread = cast("ChunkConsumer", app.consumer)._thread
    forever = asyncio.get_running_loop().create_future()
    tasks = {name: asyncio.ensure_future(asyncio.wait([forever])) for name in ("_coordination_task", "_fetch_task")}
    coordinator = SimpleNamespace(check_errors=lambda: None, **tasks)
    thread._consumer = SimpleNamespace(_closed=False, _coordinator=coordinator, _fetcher=SimpleNamespace(**tasks))
    thread._raise_background_error()

    tasks[task].cancel()
    await asyncio.wait({tasks[task]})

    with pytest.raises(UnavailableError):
        thread._raise_background_error()
    forever.cancel()
    await asyncio.wait(set(tasks.values()))


class Assignment(SimpleNamespace):
    """An assignment whose partitions stand at given positions."""

    active = True

    def state_value(self, tp: TopicPartition) -> SimpleNamespace:
        return cast("SimpleNamespace", self.states[tp])


class Buffered(kafka_fetcher.Fetcher):  # type: ignore[misc] # aiokafka is untyped
    """aiokafka's fetcher with records in its buffer and no broker behind it."""

    def __init__(self, buffered: Mapping[TopicPartition, list[int]]) -> None:
        self._records = {}
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._fetch_waiters: set[asyncio.Future[None]] = set()
        self._wait_consume_future = self._loop.create_future()
        self._subscriptions = SubscriptionState()
        self._client = SimpleNamespace(cluster=SimpleNamespace(leader_for_partition=lambda _tp: 1), _conns={})
        states = {
            tp: SimpleNamespace(paused=False, position=offsets[0], consumed_to=lambda _position: None)
            for tp, offsets in buffered.items()
        }
        for tp, offsets in buffered.items():
            self._records[tp] = kafka_fetcher.FetchResult(
                tp, assignment=Assignment(states=states), partition_records=Records(offsets), backoff=0.1
            )


class Records:
    """Records as aiokafka hands them out: one after the other, telling where the next fetch begins."""

    def __init__(self, offsets: list[int]) -> None:
        self._left = [SimpleNamespace(offset=offset) for offset in offsets]
        self.next_fetch_offset = offsets[0]

    def __iter__(self) -> Records:
        return self

    def __next__(self) -> SimpleNamespace:
        if not self._left:
            raise StopIteration
        return self._left.pop(0)


@pytest.fixture
def no_reassignment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SubscriptionState, "reassignment_in_progress", property(lambda _self: False))
    monkeypatch.setattr(SubscriptionState, "is_assigned", lambda _self, _tp: True)


@pytest.mark.usefixtures("no_reassignment")
async def test_records_of_one_partition_are_taken_up_to_a_cap_and_the_others_stay() -> None:
    one, other = TopicPartition("t", 0), TopicPartition("t", 1)
    fetcher = Buffered({one: [10, 11, 12], other: [5]})

    taken = await fetcher.fetched_records({TP("t", 0)}, timeout=0, max_records=2)

    assert {tp: [record.offset for record in records] for tp, records in taken.items()} == {one: [10, 11]}
    assert set(fetcher._records) == {one, other}


@pytest.mark.usefixtures("no_reassignment")
async def test_records_are_taken_without_letting_anything_else_run() -> None:
    # The claim that a run follows its chain's seek stands on this: no seek can come between poll and claim.
    fetcher = Buffered({TopicPartition("t", 0): [10, 11]})
    taking = fetcher.fetched_records({TP("t", 0)}, timeout=0, max_records=2)

    with pytest.raises(StopIteration) as ended:
        taking.send(None)

    assert len(ended.value.value) == 1


async def test_a_fetch_waiter_wakes_when_notified_and_is_forgotten() -> None:
    fetcher = Buffered({})
    waiter = fetcher._create_fetch_waiter()

    fetcher._notify(waiter)
    await asyncio.wait_for(waiter, 1)
    await asyncio.sleep(0)

    assert fetcher._fetch_waiters == set()


async def test_polling_tells_aiokafka_that_the_member_is_alive() -> None:
    state = SubscriptionState()
    state._last_fetch_ended = time.monotonic() - 100
    assert state.fetcher_idle_time > 99

    with state.fetch_context():
        assert state.fetcher_idle_time == 0

    assert state.fetcher_idle_time < 1


@pytest.mark.parametrize("error", [asyncio.CancelledError, TimeoutError, KafkaConnectionError])
async def test_a_broker_that_is_away_does_not_keep_the_thread_from_ending(
    app: AggregatorApp, error: type[BaseException]
) -> None:
    thread = cast("ChunkConsumer", app.consumer)._thread

    async def stop() -> None:
        raise error

    thread._consumer = SimpleNamespace(stop=stop)

    await thread.on_thread_stop()


async def test_ending_the_thread_can_still_be_cancelled(app: AggregatorApp) -> None:
    thread, begun = cast("ChunkConsumer", app.consumer)._thread, asyncio.Event()

    async def stop() -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    thread._consumer = SimpleNamespace(stop=stop)
    ending = asyncio.create_task(thread.on_thread_stop())
    await begun.wait()
    ending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await ending


async def test_a_closed_client_stops_the_poll(app: AggregatorApp) -> None:
    thread = cast("ChunkConsumer", app.consumer)._thread
    closed = SimpleNamespace(_closed=True, _fetcher=SimpleNamespace(_closed=False))

    with pytest.raises(ConsumerStoppedError):
        await thread._fetch_records(closed, None)

    assert ConsumerStoppedError in ChunkConsumer.consumer_stopped_errors


@pytest.mark.usefixtures("no_reassignment")
async def test_every_partition_gets_its_turn_when_not_all_may_be_out(app: AggregatorApp) -> None:
    tps = [TP("t", part) for part in range(3)]
    thread: ChunkThread = cast("ChunkConsumer", app.consumer)._thread
    thread._claimed = {tp: Chain(0) for tp in tps}
    app.out_max = 1

    turns = []
    for _ in range(4):
        fetcher = Buffered({TopicPartition(*tp): [0] for tp in tps})
        (taken,) = await thread._take_runs(fetcher)
        turns.append(taken.partition)

    assert turns == [0, 1, 2, 0]


async def test_records_of_a_broker_that_was_reached_anew_are_not_read_on_from_the_old_position(
    app: AggregatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    tp, consumer = TP("t", 0), cast("ChunkConsumer", app.consumer)
    thread, again = consumer._thread, asyncio.Event()
    thread._claimed = {tp: Chain(0)}
    app.out_max = 4
    monkeypatch.setattr(consumer, "own_again", again.set)
    lines: dict[tuple[int, ConnectionGroup], object] = {(1, ConnectionGroup.DEFAULT): object()}

    fetcher = Buffered({TopicPartition(*tp): [0]})
    fetcher._client._conns = lines
    assert [run.next for run in (await thread._take_runs(fetcher)).values()] == [1]

    lines[1, ConnectionGroup.DEFAULT] = object()
    thread._claimed[tp].next = 1
    fetcher = Buffered({TopicPartition(*tp): [1]})
    fetcher._client._conns = lines
    assert await thread._take_runs(fetcher) == {}
    await asyncio.wait_for(again.wait(), 5)
    assert thread._claimed == {}


async def test_records_before_the_position_are_of_another_log(
    app: AggregatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    tp, consumer, again = TP("t", 0), cast("ChunkConsumer", app.consumer), asyncio.Event()
    consumer._thread._claimed = {tp: Chain(7)}
    app.out_max = 4
    monkeypatch.setattr(consumer, "own_again", again.set)

    assert await consumer._thread._take_runs(Buffered({TopicPartition(*tp): [0]})) == {}
    await asyncio.wait_for(again.wait(), 5)


def test_the_client_keeps_its_connections_where_the_stream_looks_for_them() -> None:
    source = inspect.getsource(AIOKafkaClient)

    assert "self._conns[conn_id] = await create_conn(" in source
    assert "conn_id = (node_id, group)" in source
    assert {"state_value"} <= set(dir(AioAssignment))
    assert "has_valid_position" in dir(TopicPartitionState)
    assert "_isolation_level" in inspect.getsource(AIOKafkaConsumer)
