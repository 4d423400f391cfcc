"""What retention and renaming do to whom the topic tells of, and what retention may not remove yet."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.topics import ALERTS
from services.infra.settings import PostgresSettings
from services.outbound.feed.alert_steps import AlertSteps
from services.state.database import Database
from services.state.pool import Statements
from services.state.renaming import RenamingTable
from services.state.retention import Round
from services.state.roles import WORKER
from tests.integration.outbound.conftest import OpenFeed, OpenPipeline, drained
from tests.support.counted_shop import Shop
from tests.support.databases import as_role
from tests.support.followers import followed, in_postgres, last_of_each_key, themselves

pytestmark = pytest.mark.integration

NOTHING_IS_LEFT = """
WITH old AS (SELECT id FROM identity WHERE value = 'customer:old'),
tallies AS (DELETE FROM tally_row USING old WHERE identity = old.id),
events AS (DELETE FROM touchpoint_row USING old WHERE identity = old.id),
facts AS (DELETE FROM fact USING old WHERE identity = old.id)
UPDATE person SET as_of = 1 FROM old WHERE person.id = old.id
"""


@pytest.fixture
async def worker(postgres_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.open(PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER))), lanes=1)
    yield opened
    await opened.close()


@pytest.fixture
async def shop(open_pipeline: OpenPipeline) -> Shop:
    return Shop(await open_pipeline())


async def retired(worker: Database) -> dict[str, int]:
    """Walk until no walk is due; how many rows of each kind went."""
    removed: dict[str, int] = {}
    while isinstance(done := await worker.retire(again_after_s=1e11), Round):
        removed[done.subject] = removed.get(done.subject, 0) + done.removed
    return removed


async def walk_anew(database: asyncpg.Connection) -> None:
    await database.execute("UPDATE retention SET page = 0, ended_at = NULL")


async def test_what_is_not_in_its_topic_stays_however_old_it_is(
    shop: Shop, open_feed: OpenFeed, worker: Database, database: asyncpg.Connection
) -> None:
    scores, steps = await open_feed(), await open_feed(AlertSteps())
    await drained(scores)
    await drained(steps)
    await shop.count(("customer:a",))
    await database.execute("INSERT INTO outbox (topic, key, value) VALUES ($1, 'customer:a', '{}')", ALERTS)
    await database.execute("UPDATE score_change SET at = now() - interval '99 days'")
    await database.execute("UPDATE outbox SET created_at = now() - interval '99 days'")

    unsent = await retired(worker)
    await drained(scores)
    await drained(steps)
    await walk_anew(database)
    sent = await retired(worker)

    assert (unsent["score_changes"], unsent["outbox"]) == (0, 0)
    assert (sent["score_changes"], sent["outbox"]) == (1, 1)


async def test_whom_retention_forgets_the_topic_forgets(
    topics: str, shop: Shop, open_feed: OpenFeed, worker: Database, database: asyncpg.Connection
) -> None:
    feed = await open_feed()
    await shop.count(("customer:old",), ("customer:young",))
    await drained(feed)
    await database.execute(NOTHING_IS_LEFT)

    await retired(worker)
    await drained(feed)

    assert followed(topics).keys() == last_of_each_key(topics).keys() == {"customer:young"}


async def test_a_name_that_is_written_otherwise_takes_the_place_of_the_former(
    topics: str, postgres_dsn: str, shop: Shop, open_feed: OpenFeed, database: asyncpg.Connection
) -> None:
    feed = await open_feed()
    await shop.count(("customer:Zoe",), ("customer:same",), ("customer:Same",))
    await drained(feed)
    number = {row["value"]: row["id"] for row in await database.fetch("SELECT id, value FROM identity")}
    async with database.transaction():
        renaming = RenamingTable(Statements(database))
        await renaming.merge({number["customer:Same"]: number["customer:same"]})
        await renaming.rename({number["customer:Zoe"]: "customer:zoe"})

    await drained(feed)

    assert followed(topics).keys() == {"customer:zoe", "customer:same"}
    assert themselves(last_of_each_key(topics)) == await in_postgres(postgres_dsn)
