"""Under kills, restarts, joins and a frozen worker nothing acknowledged is lost and nothing is counted twice."""

from __future__ import annotations

import json
import random
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster
from tests.faults.ledger import Ledger, read_ledger
from tests.faults.nemesis import COUNTS, WORKERS, Fault, schedule
from tests.faults.storm import QUIET_S, complaints, storm, summary
from tests.faults.workload import Workload
from tests.support.counts import chosen_scale, chosen_seed
from tests.support.places import disk_directory


def test_the_schedule_keeps_the_promised_counts() -> None:
    assert COUNTS[Fault.INGEST] + COUNTS[Fault.WORKER] >= 20
    assert COUNTS[Fault.BROKER] >= 2
    assert COUNTS[Fault.POSTGRES] >= 3
    assert COUNTS[Fault.JOIN] >= 5
    assert COUNTS[Fault.FREEZE] >= 1


def test_a_seed_repeats_its_faults_and_its_events() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    one, other = Workload(5), Workload(5)

    assert schedule(dice=random.Random(5), scale=1) == schedule(dice=random.Random(5), scale=1)
    assert schedule(dice=random.Random(5), scale=1) != schedule(dice=random.Random(6), scale=1)
    assert [one.fresh(now) for _ in range(200)] == [other.fresh(now) for _ in range(200)]


def test_a_ledger_cut_off_in_the_middle_of_a_line_is_read_up_to_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger(path) as ledger:
        ledger.note([{"id": "a"}, {"id": "b"}])
    path.write_bytes(path.read_bytes() + b'{"id": "c')

    assert [line["id"] for line in read_ledger(path)] == ["a", "b"]


@pytest.mark.faults
@pytest.mark.e2e
async def test_a_storm_loses_nothing_and_counts_nothing_twice() -> None:
    seed = chosen_seed()
    with disk_directory() as folder:
        async with Cluster(folder, workers=WORKERS) as cluster:
            report = await storm(cluster, seed=seed, scale=chosen_scale())
            doctor = await cluster.tactus("doctor", "--data", str(folder))

    sys.stdout.write(f"{json.dumps(report)}\n{summary(report)}\n")
    assert complaints(report["oracle"]) == {}
    assert report["recovered_s"] <= QUIET_S, "what was acknowledged waits to be counted"
    assert doctor.returncode == 0, doctor.stdout
    assert report["oracle"]["unknown"] == 0, "a client that goes on trying gets its answer"
    assert report["faults"]["fenced exits"] >= 1
    assert report["cut_transactions"] >= 1
    assert report["faults"].get("joined worker hung at SIGTERM", 0) == 0, report["faults"]
    assert report["driver"].get("http_500", 0) == 0
    assert report["driver"]["refused_good"] == report["driver"]["kept_bad"] == 0
