"""Under kills, restarts, joins and a frozen worker nothing acknowledged is lost and nothing is counted twice."""

from __future__ import annotations

import json
import sys

import pytest

from tests.faults.cluster import Cluster
from tests.faults.nemesis import COUNTS, WORKERS, Fault
from tests.faults.storm import chosen_scale, chosen_seed, complaints, storm, summary
from tests.support.places import data_directory

pytestmark = [pytest.mark.faults, pytest.mark.e2e]


def test_the_schedule_keeps_the_promised_counts() -> None:
    assert COUNTS[Fault.INGEST] + COUNTS[Fault.WORKER] >= 20
    assert COUNTS[Fault.BROKER] >= 2
    assert COUNTS[Fault.POSTGRES] >= 3
    assert COUNTS[Fault.JOIN] >= 5
    assert COUNTS[Fault.FREEZE] >= 1


async def test_a_storm_loses_nothing_and_counts_nothing_twice() -> None:
    seed = chosen_seed()
    with data_directory() as folder:
        async with Cluster(folder, workers=WORKERS) as cluster:
            report = await storm(cluster, seed=seed, scale=chosen_scale())

    sys.stdout.write(f"{json.dumps(report)}\n{summary(report)}\n")
    assert complaints(report["oracle"]) == {}
    assert report["oracle"]["unknown"] == 0, (
        "a client that goes on trying gets its answer"
    )
    assert report["faults"]["fenced exits"] >= 1
    assert report["cut_transactions"] >= 1, "no worker died where it hurts"
    assert report["faults"].get("joined worker hung at SIGTERM", 0) == 0, report[
        "faults"
    ]
    assert report["driver"].get("http_500", 0) == 0
    assert report["driver"]["refused_good"] == report["driver"]["kept_bad"] == 0
