"""Roles with fewer rights on a real server; that they suffice is shown by the suites of the worker and of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from structlog.testing import capture_logs

from services.embedded.postgres import NAME, EmbeddedPostgres
from services.state.migrations import migrate
from services.state.roles import ANALYST, MADE, READER, WORKER
from tests.support.databases import as_role
from tests.support.places import data_directory

pytestmark = pytest.mark.integration


@pytest.fixture
async def worker(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(as_role(postgres_dsn, WORKER))
    yield connection
    await connection.close()


@pytest.fixture
async def reader(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(as_role(postgres_dsn, READER))
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE person",
        "TRUNCATE tally_row",
        "DELETE FROM touchpoint_row",
        "CREATE TABLE mine (n int)",
        "ALTER TABLE person ADD COLUMN n int",
        "SELECT * FROM webhook_endpoint",
        "UPDATE schema_migration SET sha256 = ''",
        "CREATE ROLE another",
        "COPY person TO PROGRAM 'true'",
        "SELECT pg_read_file('postgresql.conf')",
    ],
)
async def test_a_worker_counts_and_can_do_nothing_else(worker: asyncpg.Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await worker.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE person SET score = 100",
        "INSERT INTO identity (value, person) VALUES ('customer:c', 1)",
        "DELETE FROM seen_event",
        "UPDATE dead_letter SET value = ''",
        "DELETE FROM dead_letter",
        "UPDATE dead_letter_change SET by = 'nobody'",
        "DELETE FROM dead_letter_change",
        "SELECT secret FROM webhook_secret",
        "DELETE FROM webhook_delivery",
        "DELETE FROM webhook_change",
        "SELECT nextval('identity_id')",
        "SELECT make_month('2026-01-01')",
    ],
)
async def test_a_reader_changes_nothing_but_the_state_of_letters(reader: asyncpg.Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute(statement)


@pytest.mark.parametrize("month", ["'2026-01-02'", "'1999-01-01'", "'9999-01-01'"])
async def test_a_worker_makes_only_the_months_that_are_due(worker: asyncpg.Connection, month: str) -> None:
    with pytest.raises(asyncpg.RaiseError):
        await worker.execute(f"SELECT make_month({month})")


async def test_an_owner_that_may_make_no_roles_migrates_and_gives_the_rights_once_they_are_there() -> None:
    with data_directory() as folder:
        server = EmbeddedPostgres(folder, settings={"shared_buffers": "16MB"})
        server.start()
        try:
            await said(server.dsn, "CREATE ROLE owner LOGIN PASSWORD 'of-a-test'")
            await said(server.dsn, "CREATE DATABASE owned OWNER owner TEMPLATE template0")
            owned = server.dsn_as("owner", "of-a-test").replace(f"/{NAME}?", "/owned?")

            with capture_logs() as logs:
                applied = await migrate(owned)
            await said(server.dsn, *(f"CREATE ROLE {role}" for role in MADE))
            again = await migrate(owned)

            rights = f"SELECT has_table_privilege('{WORKER}', 'person', 'INSERT, UPDATE')"
            assert applied
            assert again == []
            assert [line["event"] for line in logs] == ["roles_not_made"]
            assert await said(server.dsn_of("owned"), rights) is True
        finally:
            server.stop()


async def said(dsn: str, *statements: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return [await connection.fetchval(statement) for statement in statements][-1]
    finally:
        await connection.close()


@pytest.fixture
async def analyst(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody's session who asks by SQL."""
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute(f"SET SESSION AUTHORIZATION {ANALYST}")
    yield connection
    await connection.close()


VIEWS = (
    "crm_customer_scores",
    "customer_score",
    "crm_account_scores",
    "touchpoint_ranking",
    "score_changes",
    "customer_alerts",
)


@pytest.mark.parametrize("view", VIEWS)
async def test_who_asks_by_sql_reads_the_views(analyst: asyncpg.Connection, view: str) -> None:
    assert await analyst.fetch(f"SELECT * FROM {view}") == []  # noqa: S608 - a name of ours


@pytest.mark.parametrize("view", VIEWS)
async def test_every_column_of_a_view_for_sql_says_what_it_means(postgres_dsn: str, view: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    silent = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0"
        " AND col_description(attrelid, attnum) IS NULL",
        view,
    )
    await connection.close()

    assert [row["attname"] for row in silent if view != "customer_score"] == []


@pytest.mark.parametrize("table", ["person", "identity", "touchpoint", "dead_letter", "alert", "webhook_endpoint"])
async def test_who_asks_by_sql_reads_nothing_else(analyst: asyncpg.Connection, table: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await analyst.execute(f"SELECT FROM {table}")
