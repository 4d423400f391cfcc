"""A stream worker as a process: signals, exit codes, and what survives them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from services.embedded.free_ports import free_port
from services.embedded.kafka import EmbeddedKafka
from tests.support.fenced_ledger import FencedLedger
from tests.support.logs_of_kafka import TestTopic, own_topic
from tests.support.places import data_directory
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

END_S = 60.0
"""Far above what any end takes here. A stop that hangs is not waited for: the worker ends it after 20 s, not with 0."""


class Workers:
    """Starts worker processes on one topic and one ledger, and leaves none behind."""

    def __init__(self, topic: TestTopic, folder: Path) -> None:
        self.topic = topic
        self.ledger = FencedLedger(folder / "ledger.db")
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, owner: str, *, port: int = 0, pause_s: float = 0.0) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.support.chunk_worker", "--bootstrap", self.topic.bootstrap]
        command += ["--topic", self.topic.name, "--group", self.topic.group, "--owner", owner]
        command += ["--ledger", str(self.ledger.path), "--port", str(port), "--pause", str(pause_s)]
        with self.output(owner).open("wb") as output:
            worker = subprocess.Popen(command, stdout=output, stderr=output)
        self._started.append(worker)
        return worker

    def output(self, owner: str) -> Path:
        return self._folder / f"{owner}.log"

    def stored_by(self, owner: str) -> int:
        return sum(chunk.records for chunk in self.ledger.chunks(self.topic.name) if chunk.owner == owner)

    def until_stored_by(self, owner: str, count: int = 1) -> None:
        wait_until(
            lambda: self.stored_by(owner) >= count,
            what=f"{owner} has stored {count}:\n{self.output(owner).read_text()[-2000:]}",
        )

    def until_stored(self, count: int) -> None:
        wait_until(lambda: self.ledger.count(self.topic.name) >= count, what=f"{count} records are stored")

    def assert_stored_once_and_in_order(self, count: int) -> None:
        stored = self.ledger.records(self.topic.name)
        assert sum(map(len, stored.values())) == count
        for records in stored.values():
            assert [offset for offset, _ in records] == list(range(len(records)))
        for part in stored:
            chunks = [chunk for chunk in self.ledger.chunks(self.topic.name) if chunk.part == part]
            assert [chunk.first for chunk in chunks] == [0, *(chunk.next for chunk in chunks[:-1])]

    def end(self) -> None:
        for worker in self._started:
            if worker.poll() is None:
                worker.kill()
            worker.wait(10)


@pytest.fixture
async def topic(kafka_bootstrap: str) -> AsyncIterator[TestTopic]:
    async with own_topic(kafka_bootstrap) as made:
        yield made


@pytest.fixture
def workers(topic: TestTopic, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(topic, tmp_path)
    yield made
    made.end()


async def test_sigterm_under_load_settles_and_exits_0_and_the_next_worker_goes_on(
    topic: TestTopic, workers: Workers
) -> None:
    enough = asyncio.Event()
    writing = asyncio.create_task(topic.write_until(enough))
    worker = workers.start("first", pause_s=0.05)
    await asyncio.to_thread(workers.until_stored_by, "first", 200)

    worker.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(worker.wait, END_S)

    assert code == 0, workers.output("first").read_text()[-3000:]
    workers.start("second")
    await asyncio.to_thread(workers.until_stored_by, "second", 200)
    enough.set()
    count = len(await writing)
    await asyncio.to_thread(workers.until_stored, count)
    workers.assert_stored_once_and_in_order(count)


async def test_sigterm_before_the_first_assignment_exits_0(workers: Workers) -> None:
    port = free_port()
    worker = workers.start("one", port=port)

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
        except httpx.TransportError:
            return False

    await asyncio.to_thread(lambda: wait_until(answers, what="the operators' port answers"))
    worker.send_signal(signal.SIGTERM)

    assert await asyncio.to_thread(worker.wait, END_S) == 0, workers.output("one").read_text()[-3000:]


async def test_a_worker_outlives_its_broker_and_ends_in_good_order_without_it(tmp_path: Path) -> None:
    with data_directory() as folder:
        broker = EmbeddedKafka(folder)
        await asyncio.to_thread(broker.start)
        topic = TestTopic(broker.bootstrap, partitions=4)
        await topic.create()
        workers = Workers(topic, tmp_path)
        worker = workers.start("one")
        await topic.write([b"value"] * 40)
        await asyncio.to_thread(workers.until_stored, 40)

        broker.kill()
        await asyncio.to_thread(broker.start)
        await topic.write([b"value"] * 40)
        await asyncio.to_thread(workers.until_stored, 80)
        broker.kill()
        worker.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(worker.wait, END_S)

        assert code == 0, workers.output("one").read_text()[-3000:]
        workers.assert_stored_once_and_in_order(80)
        broker.stop()
        workers.end()


async def test_a_worker_is_ready_when_it_owns_its_partitions_and_says_why_until_then(
    topic: TestTopic, workers: Workers
) -> None:
    port = free_port()
    workers.start("one", port=port)
    reasons: set[str] = set()

    def is_ready() -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/readyz")
        except httpx.TransportError:
            return False
        if answer.status_code == 503:
            reasons.add(answer.text)
        return answer.status_code == 200

    await asyncio.to_thread(lambda: wait_until(is_ready, what="the worker is ready"))

    assert workers.ledger.taken(topic.name) == set(range(topic.partitions))
    # Which of them were seen is up to the machine.
    assert reasons <= {
        "no partitions assigned\n",
        "rebalancing\n",
        "partitions not owned yet: waiting for Postgres\n",
    }


async def test_a_killed_worker_s_partitions_are_taken_over_without_loss_or_double(
    topic: TestTopic, workers: Workers
) -> None:
    enough = asyncio.Event()
    writing = asyncio.create_task(topic.write_until(enough))
    killed = workers.start("killed", pause_s=0.05)
    await asyncio.to_thread(workers.until_stored_by, "killed", 200)

    killed.kill()
    workers.start("heir")
    await asyncio.to_thread(workers.until_stored_by, "heir", 200)

    enough.set()
    count = len(await writing)
    await asyncio.to_thread(workers.until_stored, count)
    workers.assert_stored_once_and_in_order(count)


async def test_a_worker_that_wakes_up_after_its_partition_went_elsewhere_is_fenced(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    # One partition: right after a commit the next chunk pauses, so no lock of the ledger is frozen with it.
    async with own_topic(kafka_bootstrap, partitions=1) as topic:
        workers = Workers(topic, tmp_path)
        enough = asyncio.Event()
        writing = asyncio.create_task(topic.write_until(enough))
        sleeper = workers.start("sleeper", pause_s=1.0)
        await asyncio.to_thread(workers.until_stored_by, "sleeper")

        os.kill(sleeper.pid, signal.SIGSTOP)
        workers.start("heir")
        await asyncio.to_thread(workers.until_stored_by, "heir", 200)
        os.kill(sleeper.pid, signal.SIGCONT)
        code = await asyncio.to_thread(sleeper.wait, END_S)

        assert code == 3, workers.output("sleeper").read_text()[-3000:]
        enough.set()
        count = len(await writing)
        await asyncio.to_thread(workers.until_stored, count)
        workers.assert_stored_once_and_in_order(count)
        workers.end()


async def test_a_fenced_worker_exits_3(topic: TestTopic, workers: Workers) -> None:
    worker = workers.start("one")
    await topic.write([b"value"] * 40)
    await asyncio.to_thread(workers.until_stored, 40)

    workers.ledger.steal(topic.name)
    await topic.write([b"value"] * 4)

    assert await asyncio.to_thread(worker.wait, END_S) == 3
    assert workers.ledger.count(topic.name) == 40


async def test_a_refusal_exits_2_and_says_what_to_do(topic: TestTopic, workers: Workers) -> None:
    workers.ledger.move((topic.name, 1), position=77)
    worker = workers.start("one")

    code = await asyncio.to_thread(worker.wait, END_S)

    assert code == 2
    words = f"('{topic.name}', 1) is stored up to 77, the log ends at 0\n"
    assert words in workers.output("one").read_text()


async def test_a_worker_that_stands_still_with_lag_exits_4(topic: TestTopic, workers: Workers) -> None:
    worker = workers.start("one", pause_s=3600)
    await topic.write([b"value"] * 40)

    code = await asyncio.to_thread(worker.wait, END_S)

    assert code == 4
    assert '"stuck"' in workers.output("one").read_text()
