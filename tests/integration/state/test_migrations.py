"""Migrations: forward only, any number of migrators, equal to schema.sql."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from importlib import resources

import asyncpg
import pytest

from services.core.persons import LEAST_TRUST, level_of
from services.infra.errors import ConfigurationError
from services.state.migrations import migrate, migrations, pending
from tests.support.databases import Databases

pytestmark = pytest.mark.integration

SHAPE = """
SELECT 'column', table_name, column_name, data_type, coalesce(column_default, ''), is_nullable
FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'schema_migration'
UNION ALL
SELECT 'index', tablename, indexname, indexdef, '', '' FROM pg_indexes
WHERE schemaname = 'public' AND tablename <> 'schema_migration'
UNION ALL
SELECT 'view', viewname, definition, '', '', '' FROM pg_views WHERE schemaname = 'public'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '' FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'schema_migration'
ORDER BY 1, 2, 3
"""


@pytest.fixture
async def empty_dsn(databases: Databases) -> AsyncIterator[str]:
    """A database without a schema."""
    name = "tactus_empty"
    server = await asyncpg.connect(databases.server.dsn)
    await server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield databases.server.dsn_of(name)
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


async def shape(dsn: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(SHAPE)
    await connection.close()
    return [tuple(row) for row in rows]


async def test_eight_migrators_at_once_apply_each_migration_once(empty_dsn: str) -> None:
    results = await asyncio.gather(*(migrate(empty_dsn) for _ in range(8)))

    assert sorted(len(result) for result in results) == [0] * 7 + [len(migrations())]
    assert await pending(empty_dsn) == []


async def test_an_empty_database_is_told_what_it_lacks(empty_dsn: str) -> None:
    assert await pending(empty_dsn) == [migration.name for migration in migrations()]


async def test_the_migrations_leave_the_schema_that_schema_sql_shows(empty_dsn: str, postgres_dsn: str) -> None:
    text = resources.files("services.state").joinpath("sql", "schema.sql").read_text(encoding="utf-8")
    connection = await asyncpg.connect(empty_dsn)
    await connection.execute(text)
    await connection.close()

    assert await shape(empty_dsn) == await shape(postgres_dsn)


async def test_an_edited_migration_is_refused_with_what_to_do(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute("UPDATE schema_migration SET sha256 = 'edited' WHERE version = 1")
    await connection.close()

    with pytest.raises(ConfigurationError, match="was changed after it was applied"):
        await migrate(postgres_dsn)


async def test_a_database_ahead_of_the_code_is_refused(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute("INSERT INTO schema_migration (version, name, sha256) VALUES (9999, '9999_later.sql', '')")
    await connection.close()

    with pytest.raises(ConfigurationError, match="run the newer version"):
        await migrate(postgres_dsn)


BEFORE_TRUST = """
INSERT INTO identity (id, value, person) VALUES (1, 'device:d', 3), (2, 'anonymous:a', 2), (3, 'customer:c', 3);
INSERT INTO link (a, b, source, occurred_at, event_id) VALUES
    (1, 3, 'site/x', '2026-06-02', 'e-2'), (1, 3, 'site/y', '2026-06-01', 'e-1'), (1, 2, 'till', '2026-06-01', 'e-3')
"""


async def rights_of_later(_: asyncpg.Connection, *, anew: bool) -> None:
    """The whole schema has rights; half of one lacks what they are given on."""


async def test_older_links_have_the_trust_of_a_browsers_key_and_one_row_a_key(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = migrations()
    monkeypatch.setattr("services.state.migrations.migrations", lambda: [one for one in whole if one.version < 5])
    monkeypatch.setattr("services.state.migrations.give_rights", rights_of_later)
    await migrate(empty_dsn)
    connection = await asyncpg.connect(empty_dsn)
    await connection.execute(BEFORE_TRUST)
    monkeypatch.undo()

    await migrate(empty_dsn)

    links = await connection.fetch("SELECT a, b, source, claim, level, event_id, event_key FROM link ORDER BY claim")
    await connection.close()
    peers, claim = map(tuple, links)
    assert peers[:-1] == (1, 2, "till", False, level_of("device:d", "anonymous:a", trust=LEAST_TRUST), "e-3")
    assert claim[:-1] == (3, 1, "site", True, level_of("customer:c", "device:d", trust=LEAST_TRUST), "e-1")
    assert claim[-1] == hashlib.sha256(b"site/y\0e-1").digest()[:16]
