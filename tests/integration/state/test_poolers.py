"""Through a real PgBouncer: session pooling works, the other modes are refused in words, and so are its refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.topics import EVENTS
from services.infra.errors import ConfigurationError, UnavailableError
from services.infra.settings import PostgresSettings
from services.state.database import ANSWER_S, Database, ReadDatabase
from services.state.migrations import migrate, migrations
from services.state.pool import connected, open_pool
from services.state.sessions import LIMITS
from tests.support.apiprocess import api_process
from tests.support.databases import Databases
from tests.support.pgbouncer import pgbouncer
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


def settings(dsn: str) -> PostgresSettings:
    return PostgresSettings(dsn=SecretStr(dsn))


@pytest.fixture
def pooled_dsn(postgres_dsn: str) -> Iterator[str]:
    with pgbouncer(postgres_dsn, mode="session") as dsn:
        yield dsn


@pytest.fixture
async def empty_dsn(databases: Databases) -> AsyncIterator[str]:
    server = await asyncpg.connect(databases.server.dsn)
    await server.execute("CREATE DATABASE pooled_empty TEMPLATE template0")
    yield databases.server.dsn_of("pooled_empty")
    await server.execute("DROP DATABASE pooled_empty WITH (FORCE)")
    await server.close()


async def limits_of(connection: asyncpg.Connection) -> dict[str, str]:
    return {name: await connection.fetchval(f"SHOW {name}") for name in LIMITS}


async def test_limits_hold_through_session_pooling_also_after_a_reset(pooled_dsn: str, postgres_dsn: str) -> None:
    for dsn in (pooled_dsn, postgres_dsn):
        pool = await open_pool(settings(dsn), application="test", max_size=2)
        for _ in range(3):
            async with pool.acquire() as connection:
                assert await limits_of(connection) == dict(LIMITS)  # type: ignore[arg-type]  # its proxy has its methods
                await connection.execute("SET lock_timeout = 0; SET timezone = 'Europe/Warsaw'")
        await pool.close()


async def test_a_reader_s_statements_end_on_the_server_with_its_patience(postgres_dsn: str) -> None:
    database = ReadDatabase(settings(postgres_dsn), application="test")
    await database.open()
    assert database._pool is not None
    assert await database._pool.fetchval("SHOW statement_timeout") == f"{ANSWER_S:.0f}s"
    await database.close()


async def test_migrating_and_working_go_through_session_pooling(empty_dsn: str) -> None:
    with pgbouncer(empty_dsn, mode="session") as dsn:
        assert len(await migrate(dsn)) == len(migrations())
        database = await Database.open(settings(dsn), lanes=2)
        taken = await asyncio.gather(*(database.take({(EVENTS, part): 0}, owner="one") for part in range(2)))
        assert [position.epoch for one in taken for position in one.values()] == [1, 1]
        async with database.transaction() as transaction:
            assert len(await transaction.progress.states()) == 2
        await database.close()


async def test_a_frozen_owner_is_ended_through_session_pooling(pooled_dsn: str) -> None:
    frozen = await asyncpg.connect(pooled_dsn)
    database = await Database.open(settings(pooled_dsn), lanes=2)
    await database.take({(EVENTS, 0): 0}, owner="frozen")
    await frozen.execute("BEGIN; UPDATE partition_progress SET epoch = epoch")

    async with asyncio.timeout(20):
        (position,) = (await database.take({(EVENTS, 0): 0}, owner="heir")).values()

    assert position.epoch == 2
    await database.close()
    frozen.terminate()


async def test_the_read_api_runs_through_session_pooling(pooled_dsn: str, tmp_path: Path) -> None:
    with api_process(pooled_dsn, tmp_path) as api:

        async def ready() -> bool:
            return any(line["event"] == "postgres_answers" for line in api.lines())

        await eventually(ready, what="the API says that Postgres answers")


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_shared_sessions_are_refused_in_words(postgres_dsn: str, mode: str) -> None:
    with pgbouncer(postgres_dsn, mode=mode) as dsn:
        for attempt in (migrate(dsn), Database.open(settings(dsn), lanes=2), open_pool(settings(dsn), application="t")):
            with pytest.raises(
                ConfigurationError, match=r"pooler.*different server sessions.*; set pool_mode = session"
            ):
                await attempt

        # What stays behind in the pooler's sessions must not change those of its other clients.
        async with connected(dsn, application="test") as statements:
            assert await statements.session.fetchval("SELECT 1") == 1


async def test_what_the_pooler_refuses_is_named(pooled_dsn: str) -> None:
    head, _, name = pooled_dsn.rpartition("/")
    user, _, rest = pooled_dsn.partition("@")
    for dsn, cause in (
        (f"{head}/lost", r"database \"lost\" does not exist|no such database"),
        (f"postgresql://nobody:x@{rest}", r"no such user|authentication failed"),
        (f"{user}x@{rest}", r"authentication failed"),
        (f"{head}/{name}{'&' if '?' in name else '?'}lock_timeout=5s", r"unsupported startup parameter: lock_timeout"),
    ):
        with pytest.raises(ConfigurationError, match=cause):
            await open_pool(settings(dsn), application="test")


async def test_a_server_that_is_away_behind_the_pooler_is_waited_for() -> None:
    with (
        pgbouncer("postgresql://tactus:x@127.0.0.1:1/tactus", mode="session") as dsn,
        pytest.raises(UnavailableError, match=r"pooler cannot serve us|does not answer in time"),
    ):
        await open_pool(settings(dsn), application="test")
