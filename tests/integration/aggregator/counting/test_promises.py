"""Scores with promises on Postgres: several workers at once, identities that move, a model that takes over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from random import Random

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.topics import DLQ, EVENT_TOPICS
from services.aggregator.counting.filling import Filling, Step
from services.aggregator.counting.lag import Lag
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.counting.sweeping import Sweeping
from services.aggregator.processor import Bounds
from services.infra.clock import SystemClock
from services.infra.settings import PostgresSettings, Settings
from services.state.database import Database
from services.state.roles import WORKER
from tests.faults.expected import LogRecord, replay
from tests.faults.findings import compare
from tests.faults.oracle import read_holdings
from tests.reference.scoring import Model
from tests.support.chunks import chunk
from tests.support.clocks import StandingClock
from tests.support.databases import as_role
from tests.support.promises import BOOK, CATALOGUE, START, WHO, Recount, crossed_lives, said
from tests.support.said_log import END, PARTITIONS, SaidLog

pytestmark = pytest.mark.integration

NOW_MS = int(START.timestamp() * 1000) + 10 * 86_400_000

OpenWorker = Callable[[Sequence[int]], Awaitable[Pipeline]]


@pytest.fixture
async def open_worker(postgres_dsn: str) -> AsyncIterator[OpenWorker]:
    """Open workers that own these partitions from there on."""
    async with AsyncExitStack() as stack:

        async def open_one(parts: Sequence[int]) -> Pipeline:
            settings = Settings(postgres=PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER))))
            store = await Database.open(settings.postgres, lanes=settings.aggregator.lanes)
            worker = await Pipeline.on(store, SaidLog(store), CATALOGUE, cache_rows_max=10_000, clock=SystemClock())
            stack.push_async_callback(worker.close)
            await worker.take_ownership(
                {(topic, part): Bounds(0, END) for topic in (*EVENT_TOPICS, DLQ) for part in parts}
            )
            return worker

        yield open_one


async def people(database: asyncpg.Connection) -> dict[str, str]:
    rows = await database.fetch(
        "SELECT i.value, p.value AS person FROM identity AS i JOIN identity AS p ON p.id = i.person"
    )
    return {row["value"]: row["person"] for row in rows}


async def scores(database: asyncpg.Connection) -> dict[str, tuple[float, int]]:
    rows = await database.fetch(
        "SELECT person_id, score, extract(epoch FROM as_of)::bigint / 3600 AS hour FROM customer_score"
    )
    return {row["person_id"]: (row["score"], row["hour"]) for row in rows}


async def assert_as_if_read_in_one_go(database: asyncpg.Connection, values: list[bytes]) -> None:
    recount = Recount.of(values, CATALOGUE, at_ms=NOW_MS)
    person_of, told = await people(database), await scores(database)
    assert told == {
        person: (recount.score(person, person_of, at_hour=hour), hour) for person, (_, hour) in told.items()
    }


@pytest.mark.parametrize("seed", range(6))
async def test_workers_that_count_at_once_do_not_miss_each_others_facts(
    seed: int, open_worker: OpenWorker, database: asyncpg.Connection
) -> None:
    random = Random(seed)
    values = crossed_lives(random, 90)
    workers = [await open_worker([part]) for part in range(PARTITIONS)]

    async def count(part: int) -> None:
        own, first = values[part::PARTITIONS], 0
        while own:
            size = random.choice([1, 2, 5])
            await workers[part].process(chunk(own[:size], first=first, part=part, at_ms=NOW_MS))
            own, first = own[size:], first + len(own[:size])

    await asyncio.gather(*map(count, range(PARTITIONS)))

    await assert_as_if_read_in_one_go(database, values)


async def test_a_promise_and_its_keeping_that_are_counted_at_once_meet(
    open_worker: OpenWorker, database: asyncpg.Connection
) -> None:
    one, other = await open_worker([0]), await open_worker([1])
    values = []
    for number in range(20):
        order, due = f"o-{number}", "2026-06-03T12:00:00Z"
        promised = said(
            f"s-{number}", "order.completed", hours=0, who=[f"customer:c-{number}"], order=order, promised_at=due
        )
        kept = said(f"k-{number}", "delivery.delivered", hours=99, who=[f"email_hash:{number:032}ab"], order=order)
        values += [promised, kept]

        await asyncio.gather(
            one.process(chunk([promised], first=number, at_ms=NOW_MS)),
            other.process(chunk([kept], first=number, part=1, at_ms=NOW_MS)),
        )

    await assert_as_if_read_in_one_go(database, values)


async def test_a_worker_that_starts_over_reads_what_was_promised(
    open_worker: OpenWorker, database: asyncpg.Connection
) -> None:
    values = crossed_lives(Random(77), 40)
    first = await open_worker(range(PARTITIONS))
    await first.process(chunk(values[:20], at_ms=NOW_MS))

    second = await open_worker(range(PARTITIONS))
    await second.process(chunk(values[20:], first=20, at_ms=NOW_MS))

    await assert_as_if_read_in_one_go(database, values)


async def test_facts_are_numbers_and_words_of_one_event(open_worker: OpenWorker, database: asyncpg.Connection) -> None:
    worker = await open_worker([0])
    ordered = said("e-1", "order.completed", hours=0.5, order="7", parcel="P", promised_at="2026-06-03", stake=1)

    await worker.process(chunk([ordered], at_ms=NOW_MS))

    rows = await database.fetch("SELECT role, kind, key, part, due_us, received_hour FROM fact ORDER BY role")
    hour = int(START.timestamp()) // 3600
    due_us = 1_780_531_200_000_000
    assert [tuple(row) for row in rows] == [
        (0, "order", "order/7", "parcel/P", due_us, hour),
        (3, "once:order", "order/7", "", None, hour),
    ]
    assert await database.fetchval("SELECT q FROM tally_row") == 0
    assert sorted(row["name"] for row in await database.fetch("SELECT name FROM fact_name")) == ["order/7", "parcel/P"]


async def test_a_model_that_takes_over_reads_promises_as_well(
    open_worker: OpenWorker, database: asyncpg.Connection, postgres_dsn: str
) -> None:
    values = crossed_lives(Random(5), 60)
    worker = await open_worker(range(PARTITIONS))
    await worker.process(chunk(values, at_ms=NOW_MS))
    before = await scores(database)
    catalogue = CATALOGUE
    weighing = replace(catalogue.weighing, version="m2", weights={**catalogue.weighing.weights, "web.page_viewed": 0.5})
    store = await Database.open(PostgresSettings(dsn=SecretStr(postgres_dsn)), lanes=1)
    number = await store.models.keep(weighing)
    async with store.transaction() as transaction:
        await transaction.activations.begin(number)
    filling = Filling(store, catalogue, portion=2)

    for _ in range(20):
        if await filling.step() is Step.DONE:
            break
    await store.close()

    recount = Recount.of(values, catalogue.weighed_by(weighing), at_ms=NOW_MS)
    person_of, after = await people(database), await scores(database)
    assert after == {
        person: (recount.score(person, person_of, at_hour=hour), hour) for person, (_, hour) in before.items()
    }
    assert after != before
    assert {*after} <= {*WHO}


async def test_workers_that_sweep_at_once_share_whoever_is_due(
    open_worker: OpenWorker, database: asyncpg.Connection, postgres_dsn: str
) -> None:
    due = "2026-06-03T12:00:00Z"
    values = [
        said(f"e-{n}", "order.completed", hours=0, who=[f"customer:c{n}"], order=f"{n}", promised_at=due)
        for n in range(30)
    ]
    worker = await open_worker([0])
    await worker.process(chunk(values, at_ms=int(START.timestamp() * 1000)))
    store = await Database.open(PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER))), lanes=2)
    clock = StandingClock(START + timedelta(days=4))
    sweeps = [Sweeping(store, CATALOGUE, clock, Lag(store, SaidLog(store)), portion=7) for _ in range(2)]

    written = []
    for _ in range(6):
        written += await asyncio.gather(*(sweep.step() for sweep in sweeps))
    later = [await sweep.step() for sweep in sweeps]
    await store.close()

    assert (sum(written), later) == (30, [0, 0])
    await assert_as_if_read_in_one_go(database, values)
    hours = {hour for _, hour in (await scores(database)).values()}
    assert hours == {int(START.timestamp()) // 3600 + 96}


async def test_the_oracle_of_the_fault_storms_reads_promises_as_the_workers_do(
    open_worker: OpenWorker, postgres_dsn: str
) -> None:
    values = crossed_lives(Random(11), 120)
    worker = await open_worker([0])
    for first in range(0, len(values), 7):
        await worker.process(chunk(values[first : first + 7], first=first, at_ms=NOW_MS + 3 * 86_400_000))
    book = BOOK
    expected = replay([LogRecord("log", 0, offset, value) for offset, value in enumerate(values)], book)

    held = await read_holdings(postgres_dsn)
    report = compare(expected, held, model=Model(book.weights), book=book, bounds={("log", 0): (0, len(values))})
    other = held._replace(scores=[{**row, "score": row["score"] + 1e-6} for row in held.scores])
    lying = compare(expected, other, model=Model(book.weights), book=book, bounds={("log", 0): (0, len(values))})

    kinds = ("score_mismatch", "score_missing", "person_mismatch", "tally_mismatch", "not_counted", "counted_twice")
    assert {kind: report["by_kind"][kind] for kind in kinds} == dict.fromkeys(kinds, 0), report["examples"]
    assert lying["by_kind"]["score_mismatch"] == len(held.scores)
