"""Bring the database to the schema this code needs: numbered SQL files, forward only."""

from __future__ import annotations

import asyncio
import hashlib
from importlib import resources
from typing import Final, NamedTuple

import asyncpg

from services.infra.errors import ConfigurationError, UnavailableError
from services.state.pool import connect, present, refuse_pooled
from services.state.roles import give_rights

LOCK: Final = 7_241_005_511
"""Advisory lock of the migrators; any number that no other program uses."""

LOCK_WAIT_S: Final = 300.0
"""A long index build by another migrator is waited for; a forgotten session is not."""

LOCK_POLL_S: Final = 0.1

LEDGER: Final = """
CREATE TABLE IF NOT EXISTS schema_migration (
    version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class Migration(NamedTuple):
    """One numbered file."""

    version: int
    name: str
    sql: str
    sha256: str


def migrations() -> list[Migration]:
    """All migrations of this version of the code, in order."""
    folder = resources.files("services.state").joinpath("sql", "migrations")
    found = []
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".sql"):
            continue
        sql = file.read_text(encoding="utf-8")
        digest = hashlib.sha256(sql.encode()).hexdigest()
        found.append(Migration(int(file.name[:4]), file.name, sql, digest))
    return found


async def migrate(dsn: str) -> list[str]:
    """Apply what is missing and return the names applied; any number of migrators may run at once.

    Raises ConfigurationError when an applied file was edited, the database is ahead of this code, is not UTF-8, or a
    right is missing.
    """
    await refuse_pooled(dsn, application="tactus-migrate")
    connection = await connect(dsn, application="tactus-migrate")
    try:
        with present():
            return await _apply(connection)
    finally:
        await connection.close()  # releases the advisory lock with the session


async def _apply(connection: asyncpg.Connection) -> list[str]:
    await _refuse_other_encodings(connection)
    await _lock(connection)
    await connection.execute(LEDGER)
    done = await _applied(connection)
    applied = []
    for migration in migrations():
        if migration.version in done:
            continue
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migration (version, name, sha256) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                migration.sha256,
            )
        applied.append(migration.name)
    await give_rights(connection, anew=bool(applied))
    return applied


async def _refuse_other_encodings(connection: asyncpg.Connection) -> None:
    # SQL_ASCII too: it takes any bytes, and then orders and shortens them as if each were a letter.
    encoding = await connection.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        name = await connection.fetchval("SELECT current_database()")
        raise ConfigurationError(
            f"the database {name} is {encoding}, which cannot hold every text; make another by "
            f"CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, name it in TACTUS_POSTGRES__DSN and migrate that one"
        )


async def pending(dsn: str) -> list[str]:
    """Names of the migrations that this database lacks; reads only."""
    connection = await connect(dsn, application="tactus-migrate")
    try:
        with present():
            known = await connection.fetchval("SELECT to_regclass('schema_migration') IS NOT NULL")
            done = await _applied(connection) if known else frozenset()
        return [migration.name for migration in migrations() if migration.version not in done]
    finally:
        await connection.close()


async def _applied(connection: asyncpg.Connection) -> frozenset[int]:
    ours = {migration.version: migration for migration in migrations()}
    rows = await connection.fetch("SELECT version, name, sha256 FROM schema_migration ORDER BY version")
    for row in rows:
        mine = ours.get(row["version"])
        if mine is None:
            raise ConfigurationError(f"the database has {row['name']}, which this version lacks: run the newer version")
        if mine.sha256 != row["sha256"]:
            raise ConfigurationError(f"{mine.name} was changed after it was applied: restore it and add a new file")
    return frozenset(row["version"] for row in rows)


async def _lock(connection: asyncpg.Connection) -> None:
    # Polling, never pg_advisory_lock: a waiter would hold a snapshot, and CREATE INDEX CONCURRENTLY waits for
    # all snapshots, so two migrators would wait for each other.
    async def taken() -> None:
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):  # noqa: ASYNC110 - the event is in the database
            await asyncio.sleep(LOCK_POLL_S)

    try:
        await asyncio.wait_for(taken(), LOCK_WAIT_S)
    except TimeoutError as error:
        raise UnavailableError("another migrator has held the lock for 5 minutes; look at pg_stat_activity") from error
