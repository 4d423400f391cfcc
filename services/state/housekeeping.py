"""Chores of the database: months to come, rows that fell outside of them, and what may be forgotten."""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

import asyncpg

from services.state.pool import Statements, present
from services.state.queries import SQL
from services.state.source_notes import forget_old

LOCK: Final = 7_241_005_513
"""Advisory lock of whoever does the chores; any number that no other program uses."""

ACQUIRE_S: Final = 10.0

LOCK_WAIT: Final = "SET LOCAL lock_timeout = '2s'"
"""Attaching a month waits for whoever reads the default partition, a dump for instance, and everybody behind it waits
too: after two seconds the next round may have more luck."""

PORTION: Final = 50_000
"""Seen ids forgotten in one transaction: some tenths of a second."""

PORTIONS_MAX: Final = 100
"""In one round; five million ids an hour are 1,400 events a second."""


class Chores(NamedTuple):
    """What one round has done."""

    months: list[str]
    moved: int
    """Events that stood in the default partition and have a month since."""
    forgotten: int


class ChoresLeft(NamedTuple):
    """What should have been done by now and has not."""

    months: list[str]
    """Months without a table: their events go into the default partition, and reads are slow there."""
    ids: bool
    """Whether ids are remembered that may be forgotten."""


async def chores_left(say: Statements) -> ChoresLeft:
    """Tell what the workers' rounds have left undone."""
    [row] = await say.rows("chores_left")
    return ChoresLeft(row["months"], row["ids"])


async def keep_house(pool: asyncpg.Pool) -> Chores:
    """Make the coming months, forget old seen ids and what was noted of sources long ago; safe when several workers do it at once.

    Raises UnavailableError when the database is away or a month is held by somebody; the next round goes on.
    """
    with present():
        async with pool.acquire(timeout=ACQUIRE_S) as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                return Chores([], 0, 0)
            try:
                say = Statements(connection)  # type: ignore[arg-type]  # the pool's proxy has its methods
                months = await say.rows("months")
                moved = sum([await _make_month(connection, month["first"]) for month in months])
                await forget_old(say)
                return Chores([month["name"] for month in months], moved, await _forget(say))
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)


async def _make_month(connection: asyncpg.pool.PoolConnectionProxy, first: date) -> int:
    """Attach a month beside the default partition, with the rows that already stand there; how many were moved."""
    async with connection.transaction():
        await connection.execute(LOCK_WAIT)
        moved: int = await connection.fetchval(SQL["make_month"], first)
    return moved


async def _forget(say: Statements) -> int:
    forgotten = 0
    for _ in range(PORTIONS_MAX):
        portion = await say.run("forget_seen", PORTION)
        forgotten += portion
        if portion < PORTION:
            break
    return forgotten
