"""Connections that a firewall forgot: bounded, told once, and healed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr

from services.infra.errors import UnavailableError
from services.infra.settings import PostgresSettings
from services.state.database import ANSWER_S, Database, ReadDatabase
from services.state.sessions import SILENCE_MS_MAX
from tests.support.forgetful import ForgetfulWay
from tests.support.slowness import Stopwatch
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

READERS = 6


@pytest.fixture
async def way(postgres_dsn: str) -> AsyncIterator[ForgetfulWay]:
    server = urlsplit(postgres_dsn)
    made = ForgetfulWay(server.hostname or "", server.port or 0)
    yield made
    made.close()


def through(way: ForgetfulWay, dsn: str) -> PostgresSettings:
    port = urlsplit(dsn).port
    return PostgresSettings(dsn=SecretStr(dsn.replace(f":{port}/", f":{way.port}/")))


async def fill(database: ReadDatabase) -> None:
    """Let the pool hold as many connections as it may use at once."""
    async with AsyncExitStack() as stack:
        for _ in range(READERS):
            await stack.enter_async_context(database.snapshot())


async def read(database: ReadDatabase) -> None:
    async with database.snapshot() as snapshot:
        await snapshot.progress.states()


async def write(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.progress.states()


async def test_one_dead_connection_of_a_reader_condemns_the_others(way: ForgetfulWay, postgres_dsn: str) -> None:
    database = ReadDatabase(through(way, postgres_dsn), application="test")
    await database.open()
    await fill(database)
    assert way.forget() >= READERS

    watch = Stopwatch()
    with pytest.raises(UnavailableError, match="does not answer in time"):
        await read(database)
    first_s = watch.seconds()
    await asyncio.gather(*(read(database) for _ in range(READERS)))
    all_s = watch.seconds()

    assert first_s < ANSWER_S + 0.5
    assert all_s < ANSWER_S + 1.5
    await database.close()


async def test_a_worker_s_dead_connections_are_noticed_within_one_bound(way: ForgetfulWay, postgres_dsn: str) -> None:
    lanes = 4
    database = await Database.open(through(way, postgres_dsn), lanes=lanes)
    async with AsyncExitStack() as stack:
        for _ in range(lanes):
            await stack.enter_async_context(database.transaction())
    assert way.forget() >= lanes

    watch = Stopwatch()
    with pytest.raises(UnavailableError):
        await write(database)
    await asyncio.gather(*(write(database) for _ in range(lanes)))
    took_s = watch.seconds()

    # The kernel looks at its timers only now and then: it may notice a few seconds late.
    assert took_s < SILENCE_MS_MAX / 1000 + 5
    await database.close()


async def _closed(connections: Sequence[asyncpg.Connection]) -> bool:
    return all(connection.is_closed() for connection in connections)


async def test_an_idle_connection_that_went_dead_is_not_lent(way: ForgetfulWay, postgres_dsn: str) -> None:
    database = ReadDatabase(through(way, postgres_dsn), application="test")
    await database.open()
    await read(database)
    assert database._pool is not None
    idle = [holder._con for holder in database._pool._holders if holder._con]  # type: ignore[attr-defined]  # the stubs lack it
    way.forget()

    # Nobody uses it: the kernel asks by itself, after 10 s and then every 3.
    await eventually(lambda: _closed(idle), what="the kernel has given the idle connection up")
    watch = Stopwatch()
    await read(database)
    assert watch.seconds() < 1
    await database.close()
