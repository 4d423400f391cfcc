"""The spool in use while its process is killed, its disk is full, and everybody comes at once: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Final

import psutil
import pytest

from services.embedded.free_ports import free_port
from services.embedded.kafka import EmbeddedKafka
from services.infra.kafka import apply_topics
from services.infra.settings import KafkaSettings
from tests.faults.overload import RETRY_S, Sender
from tests.faults.persistent import copies_in_log, lost, native, persistent_clients
from tests.support.counts import chosen_scale, chosen_seed
from tests.support.ingestprocess import IngestProcess, ingest_process
from tests.support.missing import lacks
from tests.support.places import disk_directory
from tests.support.senders import SERVER_KEY
from tests.support.waiting import eventually, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.integration]

KILLS: Final = 20
"""By FAULT_SCALE; half of them while Kafka is away, and half while what it missed is sent."""

LIVES_S: Final = (0.02, 1.5)
"""From the moment it listens: from before its first request to the middle of sending what is on its disk."""

CLIENTS: Final = 300
STORM_BATCHES: Final = 3
GROWTH_BYTES_MAX: Final = 150 * 1024 * 1024


@pytest.fixture
def broker() -> Iterator[EmbeddedKafka]:
    """A broker that has never run."""
    with disk_directory() as folder:
        own = EmbeddedKafka(folder)
        yield own
        own.stop()


def settings(spool: Path, *, port: int = 0) -> dict[str, str]:
    return {
        "TACTUS_INGEST__SPOOL": str(spool),
        "TACTUS_INGEST__DEADLINE_S": "2",
        "TACTUS_INGEST__PORT": str(port),
    }


def start(broker: EmbeddedKafka) -> None:
    broker.start()
    asyncio.run(apply_topics(KafkaSettings(bootstrap=broker.bootstrap)))


def drained(ingest: IngestProcess) -> bool:
    return ingest.metric("tactus_spool_bytes") == 0.0


def live_and_die(broker: EmbeddedKafka, folder: Path, dice: random.Random, port: int, *, times: int) -> None:
    """Start the process and kill it, so many times; each life has a length that the dice say."""
    for _ in range(times):
        with ingest_process(broker.bootstrap, folder, settings=settings(folder / "spool", port=port)) as ingest:
            time.sleep(dice.uniform(*LIVES_S))
            ingest.process.kill()
            ingest.process.wait()


def test_kills_while_the_spool_is_written_and_sent_lose_nothing_and_count_nothing_twice(
    tmp_path: Path, broker: EmbeddedKafka
) -> None:
    seed, half, port = chosen_seed(), max(2, round(KILLS * chosen_scale() / 2)), free_port()
    sys.stderr.write(f"spool: FAULT_SEED={seed}, {2 * half} kills\n")
    dice = random.Random(seed)

    with ExitStack() as lives:
        with persistent_clients(f"http://127.0.0.1:{port}", first=1) as acknowledged:
            live_and_die(broker, tmp_path, dice, port, times=half)
            start(broker)
            live_and_die(broker, tmp_path, dice, port, times=half)
            last = lives.enter_context(
                ingest_process(broker.bootstrap, tmp_path, settings=settings(tmp_path / "spool", port=port))
            )
        wait_until(lambda: drained(last), what="what was spooled is sent")

    copies, durable = copies_in_log(broker.bootstrap), acknowledged.durable()
    sys.stderr.write(f"spool: {len(acknowledged.ids())} events acknowledged, {dict(durable)}\n")
    assert durable["spool"] > half
    assert lost(acknowledged.ids(), copies) == []
    assert list((tmp_path / "spool").glob("*.damaged")) == []


@contextmanager
def file_that_cannot_grow(ingest: IngestProcess, spool: Path) -> Iterator[None]:
    """A quota of a kind that every user has: no file of the process may grow beyond what the spool's has, and a little."""
    size = max(path.stat().st_size for path in spool.glob("*.spool")) + 1000
    process = psutil.Process(ingest.process.pid)
    before = process.rlimit(resource.RLIMIT_FSIZE)
    process.rlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        process.rlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def disk_without_room(_: IngestProcess, spool: Path) -> Iterator[None]:
    """The rest of the disk is somebody else's."""
    filler = spool.parent / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 1024):
                pass
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


Fills = Callable[[IngestProcess, Path], AbstractContextManager[None]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte; only root may have one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place), capture_output=True, check=False
    )
    if mounted.returncode:
        lacks("root, who may mount a small disk: run as root")
    yield place
    subprocess.run(("umount", "--lazy", place), check=True)


def test_a_disk_without_room_is_told_to_senders_and_costs_nothing_that_was_acknowledged(
    tmp_path: Path, small_disk: Path, broker: EmbeddedKafka
) -> None:
    full_disk(tmp_path, small_disk / "spool", broker, fills=disk_without_room)


def test_a_file_that_may_not_grow_is_a_disk_without_room(tmp_path: Path, broker: EmbeddedKafka) -> None:
    full_disk(tmp_path, tmp_path / "spool", broker, fills=file_that_cannot_grow)


def full_disk(folder: Path, spool: Path, broker: EmbeddedKafka, *, fills: Fills) -> None:
    """Post until the disk is full, beside its being full, and afterwards; kill the process, and let Kafka come."""
    numbers, kept, refused = count(), set(), []

    def post(ingest: IngestProcess, events: int) -> int:
        ids = [f"f-{next(numbers)}" for _ in range(events)]
        answer = ingest.post(json.loads(native(ids)))
        if answer.status_code == 202:
            kept.update(ids)
        else:
            refused.append(answer)
        return answer.status_code

    with ingest_process(broker.bootstrap, folder, settings=settings(spool)) as ingest:
        ingest.wait_ready()
        assert post(ingest, 100) == 202
        with fills(ingest, spool):
            wait_until(lambda: post(ingest, 20) == 503, what="the disk is full")
            while_full = [post(ingest, 20) for _ in range(5)]
        assert post(ingest, 50) == 202
        ingest.process.kill()
    with ingest_process(broker.bootstrap, folder, settings=settings(spool)) as ingest:
        assert post(ingest, 5) == 202
        start(broker)
        wait_until(lambda: drained(ingest), what="what was spooled is sent")
        assert ingest.process.poll() is None

    assert set(while_full) == {503}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert copies_in_log(broker.bootstrap).keys() == kept
    assert list(spool.glob("*.damaged")) == []


async def test_everybody_who_comes_back_at_once_is_served_as_fast_as_a_few_in_bounded_memory(
    tmp_path: Path, broker: EmbeddedKafka
) -> None:
    await asyncio.to_thread(broker.start)
    await apply_topics(KafkaSettings(bootstrap=broker.bootstrap))
    with ingest_process(broker.bootstrap, tmp_path, settings={"TACTUS_INGEST__DEADLINE_S": "2"}) as ingest:
        await asyncio.to_thread(ingest.wait_ready)
        process = psutil.Process(ingest.process.pid)
        few = Crowd(ingest, name="few", clients=8, batches=STORM_BATCHES * CLIENTS // 8)
        quiet_s = await few.cost_s(process)
        before, crowd = process.memory_info().rss, Crowd(ingest, name="many", clients=CLIENTS, batches=STORM_BATCHES)

        broker.kill()
        coming = asyncio.create_task(crowd.cost_s(process))
        await eventually(crowd.all_refused, what="all of them are refused")
        peak = process.memory_info().rss
        await asyncio.to_thread(broker.launch)
        await asyncio.to_thread(broker.wait_ready)
        storm_s = await coming
        peak = max(peak, process.memory_info().rss)

    copies = copies_in_log(broker.bootstrap)
    sys.stderr.write(
        f"retry storm: {CLIENTS} clients, {crowd.refusals} refusals, {storm_s:.2f} s of work for {quiet_s:.2f} s of a few, "
        f"{(peak - before) / 2**20:+.0f} MiB\n"
    )
    assert lost({*few.ids, *crowd.ids}, copies) == []
    assert [one for one in few.ids if copies[one] != 1] == []
    assert peak - before <= GROWTH_BYTES_MAX
    # What refusals cost comes on top, and they are many: each must cost little beside a batch that is kept.
    assert storm_s <= 2 * quiet_s + REFUSAL_S_MAX * crowd.refusals


REFUSAL_S_MAX: Final = 0.002
"""Of a processor, for one refusal."""


class Crowd:
    """Clients who each have some batches to send, and send each again and again until it is kept."""

    def __init__(self, ingest: IngestProcess, *, name: str, clients: int, batches: int) -> None:
        self._ingest, self._batches = ingest, batches
        self._names = [f"{name}-{number}" for number in range(clients)]
        self._refused: set[str] = set()
        self.ids: set[str] = set()
        self.refusals = 0

    async def all_refused(self) -> bool:
        return len(self._refused) == len(self._names)

    async def cost_s(self, process: psutil.Process) -> float:
        """Let all of them send; how much of a processor the process took for it."""
        before = process.cpu_times()
        await asyncio.gather(*map(self._client, self._names))
        after = process.cpu_times()
        return float(after.user + after.system - before.user - before.system)

    async def _client(self, name: str) -> None:
        sender = Sender(self._ingest.port)
        try:
            for batch in range(self._batches):
                ids = [f"{name}-{batch}-{number}" for number in range(10)]
                while (status := (await sender.post(native(ids), key=SERVER_KEY, headers={}))[0]) != 202:
                    assert status in {0, 503}, status
                    self._refused.add(name)
                    self.refusals += 1
                    await asyncio.sleep(RETRY_S)
                self.ids.update(ids)
        finally:
            await sender.close()
