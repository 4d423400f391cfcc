"""The harness proves itself: it must see what a worker without the fence, or without dedup, does wrong."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cluster import Cluster, Worker
from tests.faults.storm import ask_oracle, complaints, run_driver
from tests.faults.watch import Watch
from tests.support.places import data_directory
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.e2e]

MUTANTS = Path(__file__).parent / "mutants"
SEED = 11
LOAD = ("--rate", "500", "--events", "4000", "--seconds", "120", "--poison-every", "0.5")
"""Eight seconds' load; on a busy machine it takes longer and is still whole."""
OTHER_GROUP = {"FAULT_GROUP": "tactus-zombie"}


async def owns_everything(cluster: Cluster, worker: Worker) -> bool:
    if worker.process.poll() is not None:
        raise AssertionError(f"the worker ended:\n{worker.said()[-2000:]}")
    rows = await cluster.query("SELECT owner FROM partition_progress")
    return len(rows) == 24 and all(row["owner"].endswith(f"/{worker.pid}") for row in rows)


async def start(cluster: Cluster, *command: str, **environment: str) -> Worker:
    """A worker that owns every partition, whatever another one believes."""
    worker = cluster.join(*command, environment=environment)
    await eventually(lambda: owns_everything(cluster, worker), what="the worker owns every partition")
    return worker


async def judged(cluster: Cluster) -> dict[str, Any]:
    """Load, quiet, and what the oracle says."""
    ledger = cluster.data / "ledger.jsonl"
    counts = await run_driver(cluster, ledger=ledger, seed=SEED, options=LOAD)
    assert counts["ok"] > 3000
    watch = Watch(bootstrap=cluster.bootstrap, dsn=cluster.dsn)
    await eventually(watch.caught_up, what="everything is read")
    return await ask_oracle(cluster, ledger=ledger)


async def test_two_live_workers_on_every_partition_count_once() -> None:
    with data_directory() as folder:
        async with Cluster(folder, workers=0) as cluster:
            former = await start(cluster, "-m", "services.aggregator")
            await start(cluster, str(MUTANTS / "grouped.py"), **OTHER_GROUP)

            report = await judged(cluster)

            assert complaints(report) == {}
            assert await former.ended(within_s=30) == 3
            assert "fenced" in former.said()


async def test_a_worker_without_the_fence_is_caught() -> None:
    with data_directory() as folder:
        async with Cluster(folder, workers=0) as cluster:
            await start(cluster, str(MUTANTS / "without_fence.py"))
            await start(cluster, str(MUTANTS / "without_fence.py"), **OTHER_GROUP)

            report = await judged(cluster)

            assert report["by_kind"]["conservation"] > 0, complaints(report)
            assert report["by_kind"]["outcome_mismatch"] > 0, complaints(report)


async def test_a_worker_without_dedup_is_caught() -> None:
    with data_directory() as folder:
        async with Cluster(folder, workers=0) as cluster:
            worker = await start(cluster, str(MUTANTS / "without_dedup.py"))

            report = await judged(cluster)

            assert report["by_kind"]["counted_twice"] > 0, complaints(report)
            assert report["by_kind"]["outcome_mismatch"] > 0, complaints(report)
            worker.process.send_signal(signal.SIGTERM)
            assert await worker.ended(within_s=30) == 0
