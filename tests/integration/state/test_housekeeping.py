"""Chores on a real database: months, what fell outside of them, and numbers that a restart must not use up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import UnavailableError
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.housekeeping import ChoresLeft, chores_left
from services.state.pool import Statements

pytestmark = pytest.mark.integration

ROW = (
    "INSERT INTO touchpoint_row (occurred_at, received_at, key, identity, body_hash, leaf, v, q, source, event_id, body)"
    " VALUES ($1, $1, $2, 1, 0, 1, 0, 0, 's', 'e', '{}')"
)
SEEN = "INSERT INTO seen_event (key, body_hash, logged_at) VALUES ($1, 0, $2)"


@pytest.fixture
async def store(postgres_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.open(PostgresSettings(dsn=SecretStr(postgres_dsn)), lanes=1)
    yield opened
    await opened.close()


@pytest.fixture
async def other(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


async def test_events_outside_of_all_months_move_into_theirs(store: Database, other: asyncpg.Connection) -> None:
    await other.execute(ROW, datetime.now(UTC), uuid4())
    far = datetime.now(UTC) + timedelta(days=200)
    await other.execute(ROW, far, uuid4())

    first, second = await store.keep_house(), await store.keep_house()

    assert len(first.months) >= 16
    assert first.moved == 1
    assert (second.months, second.moved) == ([], 0)
    assert await other.fetchval("SELECT count(*) FROM touchpoint_row") == 2
    assert [row[0] for row in await other.fetch("SELECT occurred_at FROM touchpoint_other")] == [far]


async def test_chores_that_nobody_does_are_seen_from_outside(store: Database, other: asyncpg.Connection) -> None:
    say = Statements(other)
    await other.execute(SEEN, uuid4(), datetime.now(UTC) - timedelta(days=64))

    before = await chores_left(say)
    await store.keep_house()
    after = await chores_left(say)

    assert len(before.months) == 2
    assert before.ids
    assert after == ChoresLeft([], ids=False)


async def test_chores_wait_for_nobody_who_reads_and_go_on_later(store: Database, other: asyncpg.Connection) -> None:
    async with other.transaction():
        await other.execute("LOCK TABLE touchpoint_other IN ACCESS SHARE MODE")  # as a dump does
        with pytest.raises(UnavailableError):
            await store.keep_house()
        await other.execute(ROW, datetime.now(UTC), uuid4())

    done = await store.keep_house()

    assert done.moved == 1


async def test_ids_are_forgotten_once_the_log_cannot_bring_them_back(
    store: Database, other: asyncpg.Connection
) -> None:
    now = datetime.now(UTC)
    for days in (1, 61, 63, 400):
        await other.execute(SEEN, uuid4(), now - timedelta(days=days))

    done = await store.keep_house()

    assert done.forgotten == 2
    assert await other.fetchval("SELECT min(logged_at) FROM seen_event") > now - timedelta(days=62)


async def test_a_start_uses_up_no_number_of_a_model(store: Database) -> None:
    weighing = load_catalogue().weighing
    numbers = {await store.models.keep(weighing) for _ in range(5)}

    assert len(numbers) == 1
    assert await store.models.keep(replace(weighing, version="m-2")) == numbers.pop() + 1


async def test_numbers_of_our_own_outlast_a_century_of_restarts(other: asyncpg.Connection) -> None:
    """What runs out early is used up by nothing that a crash loop repeats: models and leaves are looked up first."""
    narrow = "SELECT sequencename FROM pg_sequences WHERE max_value < 9223372036854775807 ORDER BY 1"

    assert [row[0] for row in await other.fetch(narrow)] == ["leaf_id_seq", "model_id_seq"]
