"""Tell everybody's score once more, portion after portion: a model that took over, or a feed that begins, has no events."""

from __future__ import annotations

import asyncpg

from services.state.pool import LEND_S, Statements, lent, present


async def announce(pool: asyncpg.Pool, *, limit: int) -> int | None:
    """Tell so many persons' scores in a transaction of its own; how many, None when nothing is to be announced.

    Each gets a version above all it had, under its lock. Raises UnavailableError.
    """
    with present():
        async with lent(pool, within_s=LEND_S) as connection, connection.transaction():
            say = Statements(connection)
            held = await say.row("hold_announcement")
            if held is None:
                return None
            rows = await say.rows("persons_to_announce", held["cursor"], limit)
            if not rows:
                await say.run("end_announcement", held["id"])
                return 0
            persons = [row["id"] for row in rows]
            # Under the locks, as whoever scores them does: so versions rise, and the set that is read is this one.
            [turn] = await say.rows("turn")
            await say.run("announce", persons, turn["version"], turn["slot"] or 0)
            await say.run("move_announcement", held["id"], persons[-1])
            return len(persons)
