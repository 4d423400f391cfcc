"""A stored score does not age unseen: it is read anew when it is old, and followers are told once they care."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.topics import DLQ, EVENT_TOPICS
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.counting.refreshing import Refreshing, Step
from services.aggregator.processor import Bounds
from services.core.instants import HOUR_US
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.queries import SQL
from services.state.roles import WORKER
from tests.support.chunks import chunk
from tests.support.clocks import StandingClock
from tests.support.databases import as_role
from tests.support.promises import CATALOGUE, START, Recount, at, said
from tests.support.said_log import END, PARTITIONS, SaidLog

pytestmark = pytest.mark.integration

START_MS = int(START.timestamp() * 1000)
HOUR = START_MS // 3_600_000

BAD = [said("e-1", "order.cancelled_by_shop", hours=0), said("e-2", "call.abandoned", hours=0)]


@pytest.fixture
async def store(postgres_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.open(PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER))), lanes=2)
    yield opened
    await opened.close()


class Time:
    """A worker's clock, and its walk over old scores."""

    def __init__(self, store: Database, *, portion: int = 200) -> None:
        self.clock = StandingClock(START)
        self.refreshing = Refreshing(store, CATALOGUE, self.clock, portion=portion)

    async def walk(self, *, hours: float) -> int:
        """Do the whole walk of an hour so long after the start; how many portions it took."""
        self.clock.at = START + timedelta(hours=hours)
        steps = [await self.refreshing.step()]
        while steps[-1] is Step.MOVED:
            steps.append(await self.refreshing.step())
        assert steps[-1] is Step.DONE
        return len(steps)


async def counted(postgres_dsn: str, values: list[bytes]) -> None:
    """Let a worker count events at the start; it ends before time goes on."""
    settings = PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER)))
    own = await Database.open(settings, lanes=2)
    worker = await Pipeline.on(own, SaidLog(own), CATALOGUE, cache_rows_max=10_000, clock=StandingClock(START))
    parts = {(topic, part): Bounds(0, END) for topic in (*EVENT_TOPICS, DLQ) for part in range(PARTITIONS)}
    await worker.take_ownership(parts)
    await worker.process(chunk(values, at_ms=START_MS))
    await worker.close()


async def stored(database: asyncpg.Connection, who: str = "customer:a") -> asyncpg.Record:
    row = await database.fetchrow(
        "SELECT c.*, p.version AS guard, extract(epoch FROM c.as_of)::bigint / 3600 AS hour, p.told"
        " FROM customer_score AS c JOIN identity AS i ON i.value = c.person_id JOIN person AS p ON p.id = i.id"
        " WHERE c.person_id = $1",
        who,
    )
    assert row is not None
    return row


async def told(database: asyncpg.Connection) -> list[float]:
    """The scores that followers were told of, one after another."""
    return [one for row in await database.fetch("SELECT scores FROM score_change ORDER BY id") for one in row[0]]


async def test_a_silent_score_is_read_anew_after_a_day_as_an_independent_recount_reads_it(
    postgres_dsn: str, store: Database, database: asyncpg.Connection
) -> None:
    await counted(postgres_dsn, BAD)
    time, recount, before = Time(store), Recount.of(BAD, CATALOGUE, at_ms=START_MS), await stored(database)

    for days in (1, 2, 9):
        await time.walk(hours=24 * days)
        now = await stored(database)
        expected = recount.score("customer:a", {"customer:a": "customer:a"}, at_hour=HOUR + 24 * days)
        assert (now["score"], now["hour"]) == (expected, HOUR + 24 * days)
        # Followers see a higher version; what workers remember of the person still holds.
        assert now["version"] > before["version"]
        assert now["guard"] == before["guard"]
        before = now


async def test_followers_are_told_once_a_score_moved_by_half_a_point_and_are_never_further_off(
    postgres_dsn: str, store: Database, database: asyncpg.Connection
) -> None:
    await counted(postgres_dsn, BAD)
    time = Time(store)

    for days in range(1, 41):
        await time.walk(hours=24 * days)
        now = await stored(database)
        assert abs(now["score"] - (await told(database))[-1]) < 0.5

    heard = await told(database)
    assert 5 < len(heard) < 40
    assert all(abs(one - other) >= 0.5 for one, other in pairwise(heard))


async def test_a_band_that_silence_changes_is_told_at_once(
    postgres_dsn: str, store: Database, database: asyncpg.Connection
) -> None:
    await counted(postgres_dsn, BAD)
    before = (await stored(database))["band"]
    await database.execute("UPDATE person SET told_band = 5, told = score")

    await Time(store).walk(hours=1)

    assert len(await told(database)) == 2
    assert (await stored(database))["band"] == before


async def test_a_day_s_window_is_never_more_than_three_hours_behind(
    postgres_dsn: str, store: Database, database: asyncpg.Connection
) -> None:
    await counted(postgres_dsn, [said("e-0", "web.error_shown", hours=-20), said("e-1", "web.page_viewed", hours=0)])
    time, before = Time(store), await stored(database)
    assert before["score_24h"] < 50

    for hours in range(1, 8):
        await time.walk(hours=hours)

    now = await stored(database)
    assert now["score_24h"] > 50
    assert now["hour"] >= HOUR + 7 - 3


async def test_who_is_not_old_is_left_alone_and_in_whom_nothing_is_left_too(
    postgres_dsn: str, store: Database, database: asyncpg.Connection
) -> None:
    await counted(postgres_dsn, BAD)
    time, before = Time(store), await stored(database)

    await time.walk(hours=2)
    young = await stored(database)
    await time.walk(hours=24 * 401)
    empty = await stored(database)
    await time.walk(hours=24 * 500)

    assert young == before
    assert (empty["score"], empty["confidence"]) == (50, 0)
    assert await stored(database) == empty


async def test_a_walk_goes_in_portions_and_two_workers_share_it(
    postgres_dsn: str, store: Database, database: asyncpg.Connection
) -> None:
    await counted(postgres_dsn, [said(f"e-{n}", "call.abandoned", hours=0, who=[f"customer:c{n}"]) for n in range(10)])
    workers = [Time(store, portion=2) for _ in range(2)]
    for worker in workers:
        worker.clock.at = START + timedelta(hours=30)
    done: list[Step] = []

    async def go_on(worker: Time) -> None:
        while Step.DONE not in done:
            done.append(await worker.refreshing.step())

    await asyncio.gather(*map(go_on, workers))

    assert {row[0] for row in await database.fetch("SELECT as_of FROM person")} == {HOUR + 30}
    assert done.count(Step.MOVED) == 1 + 10 // 2
    assert await workers[0].refreshing.step() is Step.IDLE


async def test_whom_a_chunk_holds_is_passed_over_and_nobody_waits(
    postgres_dsn: str, store: Database, database: asyncpg.Connection
) -> None:
    people = [f"customer:c{n}" for n in range(3)]
    await counted(postgres_dsn, [said(f"e-{n}", "call.abandoned", hours=0, who=[who]) for n, who in enumerate(people)])
    time = Time(store)

    async with database.transaction():
        await database.execute(
            "SELECT FROM person WHERE id = (SELECT id FROM identity WHERE value = 'customer:c1') FOR NO KEY UPDATE"
        )
        await asyncio.wait_for(time.walk(hours=30), 30)

    hours = [(await stored(database, who))["hour"] - HOUR for who in people]
    assert hours == [30, 0, 30]
    await time.walk(hours=31)
    assert (await stored(database, "customer:c1"))["hour"] == HOUR + 31


async def test_a_model_that_took_over_is_told_to_followers_in_the_background(
    postgres_dsn: str, store: Database, database: asyncpg.Connection
) -> None:
    await counted(postgres_dsn, BAD)
    time = Time(store)
    await time.walk(hours=1)
    before = await told(database)
    # As a flip leaves it: the other set is read, and nobody was told of its scores.
    await database.execute(
        "UPDATE person SET score_b = 77, band_b = 4, confidence_b = confidence, confidence_24h_b = confidence_24h,"
        " confidence_90d_b = confidence_90d, as_of_b = as_of, version_b = version, model_b = model"
    )
    await database.execute("UPDATE model_in_use SET slot = 1")

    await time.walk(hours=2)

    assert len(await told(database)) == len(before)  # read anew by the model, it is what followers know
    await database.execute("UPDATE person SET told = 77, told_band = 4")
    await time.walk(hours=3)
    now = await stored(database)
    assert (await told(database))[-1] == now["score"] == now["told"]


async def test_who_was_announced_is_not_told_again(
    postgres_dsn: str, store: Database, database: asyncpg.Connection
) -> None:
    await counted(postgres_dsn, BAD)
    await database.execute("UPDATE person SET told = NULL, told_band = NULL")
    await database.execute(SQL["announce_everybody"], "a feed began")

    while await store.announce(limit=10) is not None:
        pass
    announced = await told(database)
    await Time(store).walk(hours=1)

    assert len(announced) == 2
    assert await told(database) == announced


async def test_the_oldest_score_that_is_left_behind_is_shown(
    postgres_dsn: str, store: Database, database: asyncpg.Connection
) -> None:
    await counted(postgres_dsn, BAD)
    await counted_later(postgres_dsn)
    time = Time(store)

    oldest = []
    for hours in (2, 24, 34):
        await time.walk(hours=hours)
        oldest.append(await database.fetchval(SQL["oldest_score"]) - HOUR)

    assert oldest == [0, 24, 24]


async def counted_later(postgres_dsn: str) -> None:
    settings = PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER)))
    own = await Database.open(settings, lanes=2)
    worker = await Pipeline.on(own, SaidLog(own), CATALOGUE, cache_rows_max=10_000, clock=StandingClock(START))
    await worker.take_ownership({(topic, 1): Bounds(0, END) for topic in (*EVENT_TOPICS, DLQ)})
    values = [said("e-9", "call.abandoned", hours=7, who=["customer:later"])]
    await worker.process(chunk(values, part=1, at_ms=START_MS + 7 * 3_600_000))
    await worker.close()


def test_hours_of_the_tests_are_those_of_tallies() -> None:
    assert int(START.timestamp() * 1_000_000) // HOUR_US == HOUR
    assert at(0).startswith("2026-06-01T12")
