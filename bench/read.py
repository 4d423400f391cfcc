"""What reading costs: a score in the core, a year's history in the core, and a customer's answer over the API."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import asyncpg
import httpx
import numpy as np
import psutil

from bench.report import publish, working_directory
from services.core.change import PERIODS, read_changes
from services.core.dimensions import Leaves
from services.core.facts import NO_FACTS
from services.core.history import read_history
from services.core.scoring import WINDOWS, read, read_dimensions
from services.core.tallies import HOURS_KEPT, MICRO, Tallies, fold
from services.embedded.free_ports import LOOPBACK, free_port
from services.embedded.postgres import EmbeddedPostgres
from services.infra.catalogue.reading import load_catalogue
from services.state.copying import fixed_copy
from services.state.migrations import migrate
from services.state.tallies import TYPES

SEED: Final = 7
ROUNDS: Final = 30
"""The best of so many is what the work takes; whatever else the machine does only adds. The median says what was seen."""

TALLIES: Final = 500
LEAVES: Final = 60
VALUES_MAX: Final = 20
YEAR: Final = 365
EVENTS_EACH: Final = 12
"""Of a customer on average: how many there are of each is drawn from a geometric distribution."""

HEAVY_EACH: Final = 1000
"""One customer in so many has TALLIES of them."""

PIECE: Final = 50_000
"""Customers that are made at a time: 50 MiB of rows."""

KEY: Final = "a-read-key-of-the-bench"
HASH_KEY: Final = "a key of a benchmark, 32 bytes.." * 2
READY_S: Final = 30.0
WARM_UP: Final = 50
"""Questions that are not counted: the process reads its model, and its pool opens."""

ASKED: Final = (("customer", "", 1), ("change", "/change", 5), ("history", "/history", 5))
"""What is asked about customers, and how many times as rarely as for their scores: people look at these."""

GOALS: Final = {"score_ms": 1.0, "history_ms": 30.0, "api_p99_ms": 30.0}


def in_the_core() -> dict[str, object]:
    """Milliseconds that reads of one person of 500 tallies take."""
    catalogue = load_catalogue()
    leaves = Leaves.of(catalogue, [(name, "web", "") for name in sorted(catalogue.entries)[:LEAVES]])
    now = int(time.time()) // 3600
    tallies, parameters = lived([0], [TALLIES], now=now), catalogue.parameters
    days = [now - 24 * day for day in range(YEAR - 1, -1, -1)]

    def score() -> None:
        windows = [None, *WINDOWS.values()]
        read(tallies, facts=NO_FACTS, owners=1, leaves=leaves, at_hour=now, parameters=parameters, windows_h=windows)

    def whole_answer() -> None:
        score()
        read_dimensions(tallies, facts=NO_FACTS, leaves=leaves, at_hour=now, parameters=parameters)
        read_changes(
            tallies,
            facts=NO_FACTS,
            leaves=leaves,
            at_hour=now,
            periods_h=[*PERIODS.values()],
            parameters=parameters,
        )

    def history(dimension: str | None) -> None:
        read_history(
            tallies,
            facts=NO_FACTS,
            leaves=leaves,
            at_hours=days,
            parameters=parameters,
            dimension=dimension,
            values_max=VALUES_MAX,
        )

    return {
        "tallies": len(tallies.rows),
        "score": timed(score),
        "answer": timed(whole_answer),
        "history": timed(lambda: history(None)),
        "history_by_stage": timed(lambda: history("stage")),
    }


def timed(work: Callable[[], None]) -> dict[str, float]:
    """The best milliseconds of CPU, and the median on the clock."""
    cpu, clock = [], []
    for _ in range(ROUNDS):
        began = time.process_time(), time.perf_counter()
        work()
        cpu.append(time.process_time() - began[0])
        clock.append(time.perf_counter() - began[1])
    return {"best_cpu_ms": round(min(cpu) * 1000, 3), "median_ms": round(median(clock) * 1000, 3)}


def lived(owners: Sequence[int], events: Sequence[int], *, now: int) -> Tallies:
    """Tallies of customers who have lived so many events each, at any hours of the last four hundred days."""
    dice = np.random.default_rng(SEED + owners[0])
    owner = np.repeat(np.arange(len(owners), dtype=np.int64), events)
    count = len(owner)
    return fold(
        owner=owner,
        leaf=dice.integers(0, LEAVES, count),
        hour=now - dice.integers(0, HOURS_KEPT, count),
        v=dice.integers(-MICRO, MICRO, count),
        q=np.full(count, MICRO),
    )


async def store(dsn: str, *, customers: int, now: int) -> int:
    """Store so many customers, and return how many tallies they have."""
    connection = await asyncpg.connect(dsn)
    try:
        names = [(name, "web", "") for name in sorted(load_catalogue().entries)[:LEAVES]]
        numbers = [
            await connection.fetchval(
                "INSERT INTO leaf (touchpoint, channel, place) VALUES ($1, $2, $3) RETURNING id", *name
            )
            for name in names
        ]
        stored = 0
        for first in range(1, customers + 1, PIECE):
            last = min(first + PIECE - 1, customers)
            await connection.execute(
                "INSERT INTO identity (id, value, person) SELECT n, 'customer:bench-' || n, n"
                " FROM generate_series($1::bigint, $2::bigint) AS n",
                *(first, last),
            )
            await connection.execute(
                "INSERT INTO person (id, version) SELECT n, n FROM generate_series($1::bigint, $2::bigint) AS n",
                *(first, last),
            )
            owners = range(first, last + 1)
            dice = np.random.default_rng(SEED + first)
            events = dice.geometric(1 / EVENTS_EACH, len(owners))
            events[np.array(owners) % HEAVY_EACH == 0] = TALLIES
            tallies = lived(owners, events.tolist(), now=now)
            rows = tallies.rows
            rows[:, 0] = np.array(numbers)[rows[:, 0]]
            columns = [("bigint", tallies.owner + first)]
            columns += [(kind, rows[:, position]) for position, (_, kind) in enumerate(TYPES)]
            copied = fixed_copy(columns)
            await connection.copy_to_table("tally_row", source=_pieces(copied), format="binary")
            stored += len(rows)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")  # what was copied is on the disk before anybody is asked
    finally:
        await connection.close()
    return stored


async def _pieces(copied: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(copied), 1 << 20):
        yield copied[start : start + (1 << 20)]


@asynccontextmanager
async def api_on(dsn: str, folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, psutil.Process]]:
    """A client of the read API, and the process of its own that it is."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    sources = folder / "sources.toml"
    sources.write_text(f'[[reader]]\nname = "bench"\nkeys_sha256 = ["{digest}"]\nscopes = ["scores:read"]\n')
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "TACTUS_POSTGRES__DSN": dsn,
        "TACTUS_SOURCES": str(sources),
        "TACTUS_HASH_KEY": HASH_KEY,
        "TACTUS_API__PORT": str(port),
        "TACTUS_API__METRICS_PORT": "0",
        "TACTUS_API__READER_REQUESTS_PER_S_MAX": "10000",
    }
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - it starts before anything is measured
            [sys.executable, "-m", "services.api"], stderr=log, env=environment
        )
    headers = {"Authorization": f"Bearer {KEY}"}
    try:
        async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", headers=headers, timeout=30) as client:
            await _ready(client)
            yield client, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


async def _ready(client: httpx.AsyncClient) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        try:
            if (await client.get("/readyz")).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)
    raise RuntimeError(f"the API was not ready within {READY_S:.0f} s")


async def asked(
    client: httpx.AsyncClient, api: psutil.Process, *, customers: int, requests: int, rate: float, path: str
) -> dict[str, object]:
    """Ask about customers at random, at fixed times whatever the answers take; percentiles in milliseconds.

    What the API's process takes of a core for one answer is told as well: a busy machine adds little to that.
    """
    dice = random.Random(SEED)
    late_s = 0.0

    async def one() -> tuple[float, int]:
        began = time.perf_counter()
        answer = await client.get(f"/v1/customers/customer:bench-{dice.randint(1, customers)}{path}")
        return time.perf_counter() - began, answer.status_code

    for _ in range(min(WARM_UP, requests)):
        await one()
    before = api.cpu_times()
    started, asking = time.monotonic(), []
    for number in range(requests):
        await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
        late_s = max(late_s, time.monotonic() - started - number / rate)
        asking.append(asyncio.create_task(one()))
    answers = await asyncio.gather(*asking)
    after = api.cpu_times()
    cpu_s = after.user + after.system - before.user - before.system
    took = [took for took, status in answers if status == httpx.codes.OK]
    cuts = quantiles(took, n=100)
    return {
        "p50_ms": round(cuts[49] * 1000, 2),
        "p99_ms": round(cuts[98] * 1000, 2),
        "max_ms": round(max(took) * 1000, 2),
        "api_cpu_ms": round(cpu_s / requests * 1000, 2),
        "requests": requests,
        "refused": requests - len(took),
        "rate": rate,
        "generator_late_ms": round(late_s * 1000, 1),
    }


async def over_the_api(folder: Path, *, customers: int, requests: int, rate: float) -> dict[str, object]:
    """Answers of an API whose database holds so many customers."""
    postgres = EmbeddedPostgres(folder / "postgres-data")
    postgres.start()
    try:
        await migrate(postgres.dsn)
        began = time.monotonic()
        stored = await store(postgres.dsn, customers=customers, now=int(time.time()) // 3600)
        storing_s = time.monotonic() - began
        async with api_on(postgres.dsn, folder) as (client, api):
            answers = {
                name: await asked(
                    client, api, customers=customers, requests=max(2, requests // rarer), rate=rate / rarer, path=path
                )
                for name, path, rarer in ASKED
            }
    finally:
        postgres.stop()
    return {"customers": customers, "tallies": stored, "storing_s": round(storing_s, 1), **answers}


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=50)
    arguments = parser.parse_args()
    core = in_the_core()
    with working_directory() as folder:
        measuring = over_the_api(
            folder, customers=arguments.customers, requests=arguments.requests, rate=arguments.rate
        )
        api = asyncio.run(measuring)
    publish({"core": core, "api": api, "goals": GOALS}, path=arguments.json)


if __name__ == "__main__":
    main()
