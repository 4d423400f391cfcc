"""Attacks by names: a flood of them by a public key, and a customer who has very many, read while others are read."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import psutil
import pytest
from pydantic import SecretStr

from schemas.topics import EVENTS
from services.aggregator.counting.name_bounds import TOO_MANY_NAMES, NameBounds
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.settings import AggregatorSettings, PostgresSettings
from services.state.database import Database
from tests.support.apiprocess import ApiProcess, api_process
from tests.support.chunks import chunk, event
from tests.support.customers import Lived, store_person, store_person_of_many_leaves
from tests.support.readapi import BEARER
from tests.support.said_log import END, SaidLog
from tests.support.slowness import Slowness

pytestmark = [pytest.mark.faults, pytest.mark.integration]

TIMES_SLOWER_MAX: Final = 3.0
FLOOR_S: Final = 0.25
"""Below it nobody minds; what other programs take from us is counted out."""

MEMORY_MAX: Final = 150 * 1024 * 1024
GOOD: Final = 150
"""Requests, or chunks, of each run: enough that the slowest one in a hundred is not simply the slowest."""

LEAVES: Final = 100_000
ATTACKERS: Final = 6
BOUNDS: Final = NameBounds.of(AggregatorSettings())
GOOD_EVENTS: Final = 20
FLOOD_EVENTS: Final = 1_000
FLOOD_CHUNKS: Final = 20


async def p99_of(work: Callable[[], Awaitable[None]], *, by: int) -> float:
    """Do good work again and again; the time that all but one in a hundred stay below, had the process cores of its own."""
    slowness, took = Slowness(by), []
    for _ in range(GOOD):
        started = time.perf_counter()
        await work()
        took.append(time.perf_counter() - started)
        await asyncio.sleep(0.005)
    return sorted(took)[GOOD * 99 // 100 - 1] / slowness.factor()


@asynccontextmanager
async def under(*attacks: Awaitable[None]) -> AsyncIterator[None]:
    """Let attacks go on until the block ends."""
    tasks = [asyncio.ensure_future(attack) for attack in attacks]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [one for one in ended if one and not isinstance(one, asyncio.CancelledError)] == []


@pytest.fixture
async def api(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[ApiProcess]:
    now = datetime.now(UTC)
    await store_person_of_many_leaves(postgres_dsn, customer="customer:many", leaves=LEAVES, at=now)
    anna = [Lived("customer:anna", "order.completed", now, 0.4)]
    await store_person(postgres_dsn, anna, customer="customer:anna", version=2)
    with api_process(postgres_dsn, tmp_path) as process:
        yield process


async def test_who_reads_a_customer_of_many_names_delays_nobody_else(api: ApiProcess) -> None:
    memory = psutil.Process(api.process.pid).memory_info
    seen: list[tuple[int, int]] = []
    async with httpx.AsyncClient(base_url=api.url, headers=BEARER, timeout=20) as client:

        async def good() -> None:
            answers = [await client.get(path) for path in ("/v1/customers/customer:anna", "/readyz")]
            assert [answer.status_code for answer in answers] == [200, 200]

        async def read_many(part: str) -> None:
            while True:
                answer = await client.get(f"/v1/customers/customer:many{part}")
                seen.append((answer.status_code, len(answer.content)))

        await good()
        quiet_s, quiet_bytes = await p99_of(good, by=api.process.pid), memory().rss
        async with under(*(read_many(part) for part in ("", "/receipt") for _ in range(ATTACKERS // 2))):
            attacked_s = await p99_of(good, by=api.process.pid)
        grown = memory().rss - quiet_bytes

    assert attacked_s <= max(TIMES_SLOWER_MAX * quiet_s, FLOOR_S)
    assert grown <= MEMORY_MAX
    assert tuple(sorted({status for status, _ in seen})) <= (200, 503)
    assert 200 in {status for status, _ in seen}
    assert max(size for _, size in seen) < 256 * 1024


class Counting:
    """A worker on a real database: good events of a server on one partition, a flood by a public key on another."""

    def __init__(self, worker: Pipeline) -> None:
        now = datetime.now(UTC)
        self._worker = worker
        self._at_ms = int(now.timestamp() * 1000)
        self._time = now.isoformat().replace("+00:00", "Z")
        self._numbers = itertools.count()
        self._next = [0, 0]

    async def good(self) -> None:
        names = [f"g-{next(self._numbers)}" for _ in range(GOOD_EVENTS)]
        await self._count(0, [event(name, time=self._time, envelope={"keykind": "server"}) for name in names])

    async def flood(self) -> None:
        for _ in range(FLOOD_CHUNKS):
            names = [f"x.{next(self._numbers)}" for _ in range(FLOOD_EVENTS)]
            by = {"keykind": "browser"}
            values = [event(n, time=self._time, touchpoint=n, source="web/page", envelope=by) for n in names]
            await self._count(1, values)

    async def _count(self, part: int, values: list[bytes]) -> None:
        await self._worker.process(chunk(values, first=self._next[part], part=part, at_ms=self._at_ms))
        self._next[part] += len(values)


@pytest.fixture
async def counting(postgres_dsn: str) -> AsyncIterator[Counting]:
    store = await Database.open(PostgresSettings(dsn=SecretStr(postgres_dsn)), lanes=4)
    catalogue, clock, said = load_catalogue(None), SystemClock(), SaidLog(store)
    worker = await Pipeline.on(store, said, catalogue, cache_rows_max=1_000_000, clock=clock, bounds=BOUNDS)
    await worker.take_ownership({(EVENTS, part): Bounds(0, END) for part in range(2)})
    yield Counting(worker)
    await worker.close()


async def test_a_flood_of_names_by_a_public_key_ends_at_its_bound_and_delays_nobody_else(
    counting: Counting, postgres_dsn: str
) -> None:
    memory = psutil.Process().memory_info

    quiet_s, quiet_bytes = await p99_of(counting.good, by=os.getpid()), memory().rss
    async with under(counting.flood()):
        attacked_s = await p99_of(counting.good, by=os.getpid())
    grown = memory().rss - quiet_bytes

    database = await asyncpg.connect(postgres_dsn)
    stands = "SELECT applied, dead FROM partition_progress WHERE topic = $1 AND part = $2"
    good, flood = [tuple(await database.fetchrow(stands, EVENTS, part) or ()) for part in range(2)]
    leaves = await database.fetchval("SELECT count(*) FROM leaf WHERE touchpoint LIKE 'x.%'")
    letters = await database.fetchval("SELECT count(*) FROM dead_letter WHERE reason = $1", TOO_MANY_NAMES)
    await database.close()
    assert attacked_s <= max(TIMES_SLOWER_MAX * quiet_s, FLOOR_S)
    assert grown <= MEMORY_MAX
    assert good == (2 * GOOD * GOOD_EVENTS, 0)
    assert leaves == flood[0] == BOUNDS.public
    assert letters == flood[1] > FLOOD_EVENTS
