"""A year of a wholesaler is replayed beside the live demo, and Kafka is away in the middle: all of it counts once."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from services.client.connection import Connection
from tests.support.counts import chosen_scale
from tests.support.demos import RunningDemo, counts_of
from tests.support.waiting import PATIENCE_S, wait_until

YEAR = Path(__file__).parents[4] / "shared" / "data" / "retail_uci_events.ndjson.gz"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not YEAR.exists(), reason=f"a year of a wholesaler is not at {YEAR}"),
]

SOURCE = "shop/replay/retail_uci_events"

AWAY_S = 60.0 * chosen_scale()
"""Longer than a request waits for the log, so that the spool takes over, and than a consumer's session."""


def of_the_file() -> Mapping[str, Counter[str]]:
    """How often the file names each event, by customer."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    with gzip.open(YEAR, "rt", encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            found[f"customer:{event['customer_id']}"][event["event_id"]] += 1
    return found


def counted(connection: Connection) -> Mapping[str, Counter[str]]:
    """How often each event of the replay counts, by customer."""

    async def asked() -> list[asyncpg.Record]:
        session = await asyncpg.connect(connection.postgres)
        try:
            query = "SELECT identity, event_id FROM touchpoint WHERE source = $1"
            rows: list[asyncpg.Record] = await session.fetch(query, SOURCE)
            return rows
        finally:
            await session.close()

    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in asyncio.run(asked()):
        found[row["identity"]][row["event_id"]] += 1
    return found


def events_in(counts: Mapping[str, Counter[str]]) -> int:
    return sum(one.total() for one in counts.values())


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process that answers nobody for the length of the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_year_that_is_replayed_beside_the_demo_while_kafka_is_away_counts_once(folder: Path) -> None:
    expected = of_the_file()
    tactus = str(Path(sys.executable).with_name("tactus"))
    demo = RunningDemo(folder, "--customers", "20", "--rate", "10")
    try:
        demo.wait_for("First score after")
        connection = demo.connection
        command = (tactus, "replay", str(YEAR), "--data", str(connection.data))
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as replay:
            wait_until(lambda: events_in(counted(connection)) > 500, what="the replay has begun")
            with frozen(connection.pids["kafka"][0]):
                time.sleep(AWAY_S)  # the length of the outage is what is tried
            said, _ = replay.communicate(timeout=3 * PATIENCE_S)
        all_there = events_in(expected)
        wait_until(lambda: events_in(counted(connection)) >= all_there, what="all of the year is counted")
        found = counted(connection)
        demo.interrupt()
        code = demo.wait_end()
    finally:
        demo.kill()

    counts = counts_of(demo.said().splitlines()[-1])
    assert replay.returncode == 0, said
    assert f"accepted {all_there}, rejected 0" in said
    assert found == expected
    assert code == 130, demo.said()
    assert counts["lost"] == 0
    assert f"Beside the shop's events {all_there} of others count here" in demo.said()
    assert demo.left() == []
