"""Chores of the database: months to come, and what may be forgotten."""

from __future__ import annotations

from typing import Final

import asyncpg

from services.state.pool import present
from services.state.queries import SQL

LOCK: Final = 7_241_005_513
"""Advisory lock of whoever does the chores; any number that no other program uses."""

ACQUIRE_S: Final = 10.0


async def keep_house(pool: asyncpg.Pool) -> list[str]:
    """Make the coming months' partitions and forget old seen ids; safe when several workers do it at once."""
    with present():
        async with pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction():
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                return []
            months = await connection.fetch(SQL["months"])
            for month in months:
                # Names and bounds come from the database's own calendar, never from an event.
                await connection.execute(
                    f"CREATE TABLE touchpoint_{month['name']} PARTITION OF touchpoint_row "
                    f"FOR VALUES FROM ('{month['lower']} 00:00+00') TO ('{month['upper']} 00:00+00')"
                )
            await connection.execute(SQL["forget_seen"])
    return [month["name"] for month in months]
