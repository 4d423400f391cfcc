"""The pool, and the statements outside a chunk's transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, TypeVar

import asyncpg

from services.aggregator.processor import Partition
from services.infra.errors import ConfigurationError
from services.infra.settings import PostgresSettings
from services.state.pool import open_pool
from services.state.transaction import SQL, Caution, Transaction

T = TypeVar("T")

TEMPORARY: Final = """
CREATE TEMP TABLE IF NOT EXISTS incoming_touchpoint (
    occurred_at timestamptz, received_at timestamptz, key uuid, identity bigint, body_hash bigint, leaf int,
    v int, q int, source text, event_id text, body text
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS incoming_tally (
    identity bigint, leaf int, hour int, n int, q bigint, pos bigint, neg bigint, pos2 bigint, neg2 bigint,
    best int, worst int
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS incoming_score (
    id bigint, version bigint, model smallint, band smallint, as_of int,
    score float8, confidence float8, se float8, score_24h float8, confidence_24h float8,
    score_7d float8, confidence_7d float8, score_30d float8, confidence_30d float8,
    score_90d float8, confidence_90d float8
) ON COMMIT DELETE ROWS;
"""

HELD_S: Final = 2.0
"""Ten times what a chunk's transaction takes: whoever holds a partition longer against its new owner is frozen."""

RETRYABLE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
"""A part is away or two transactions met: nothing is wrong with the events, so the chunk is run again.

Any other error of Postgres is a fault of ours: the worker stops with it instead of trying for ever.
"""


class Position(NamedTuple):
    """A partition's row after it was taken."""

    next: int
    epoch: int


class Store:
    """The pool, and the few statements outside a chunk's transaction."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._caution = Caution()

    @classmethod
    async def open(cls, settings: PostgresSettings, *, lanes: int) -> Store:
        """Open a pool with a connection for each lane and one for names; raises UnavailableError."""

        async def prepare(connection: asyncpg.Connection) -> None:
            await connection.execute(TEMPORARY)

        return cls(await open_pool(settings, application="tactus-aggregator", max_size=lanes + 1, prepare=prepare))

    async def close(self) -> None:
        """Close the connections, whatever they are doing, within a bound."""
        self._pool.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that commits at the end of the block and rolls back on any exception."""
        async with self._pool.acquire(timeout=10) as connection, connection.transaction():
            yield Transaction(connection, self._caution)  # type: ignore[arg-type]  # the pool's proxy has its methods

    async def take(self, partitions: Mapping[Partition, int], *, owner: str) -> dict[Partition, Position]:
        """Own partitions, given the log's first offset of each."""
        topics, parts = ([topic for topic, _ in partitions], [part for _, part in partitions])
        async with self._pool.acquire(timeout=10) as connection:
            await self._unhindered(
                connection, connection.execute(SQL["add_partitions"], topics, parts, list(partitions.values()))
            )
            rows = await self._unhindered(connection, connection.fetch(SQL["own_partitions"], topics, parts, owner))
        return {(row["topic"], row["part"]): Position(row["next"], row["epoch"]) for row in rows}

    async def _unhindered(self, connection: asyncpg.pool.PoolConnectionProxy, statement: Coroutine[Any, Any, T]) -> T:
        """Run a statement that must not wait for a former owner, and end the sessions that it waits for.

        A worker that is frozen while it copies rows in holds its locks for ever: Postgres heeds no timeout there.
        Ending its session is safe, since whatever it had not committed is counted by the new owner.
        """
        running = asyncio.create_task(statement)
        try:
            while not (await asyncio.wait({running}, timeout=HELD_S))[0]:
                await self._pool.execute(SQL["end_blockers"], connection.get_server_pid())
            return await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def position(self, partition: Partition) -> Position | None:
        """Where a partition stands."""
        row = await self._pool.fetchrow(SQL["progress"], *partition)
        return None if row is None else Position(row["next"], row["epoch"])

    async def note_lost(self, partition: Partition, *, records: int) -> None:
        """Write down how many records retention removed before they were read."""
        await self._pool.execute(SQL["note_lost"], *partition, records)

    async def accept_lost(self, partition: Partition, *, earliest: int, end: int) -> bool:
        """Go on from the log's start, on an operator's word; False when the position lies inside the log."""
        row = await self._pool.fetchval(SQL["accept_lost"], *partition, earliest, end)
        return row is not None

    async def find_names(self, values: Sequence[str]) -> list[tuple[str, int, int]]:
        """Value, number and person of the identities that are known."""
        return [tuple(row) for row in await self._pool.fetch(SQL["find_names"], values)]

    async def add_names(self, values: Sequence[str]) -> None:
        """Number identities; a number carries no count, so it may be given outside the chunk's transaction."""
        await self._pool.execute(SQL["add_names"], sorted(values))

    async def add_leaves(self, leaves: Iterable[tuple[str, str, str]]) -> None:
        """Number leaves, likewise."""
        columns = list(zip(*sorted(leaves), strict=True))
        await self._pool.execute(SQL["add_leaves"], *map(list, columns))

    async def leaves_after(self, number: int) -> list[tuple[int, str, str, str]]:
        """Leaves with a higher number."""
        return [tuple(row) for row in await self._pool.fetch(SQL["all_leaves"], number)]

    async def use_model(self, version: str) -> int:
        """The number of a model version; the first statement of a worker, so a database without tables shows here."""
        try:
            return int(await self._pool.fetchval(SQL["use_model"], version))
        except asyncpg.UndefinedTableError as error:
            raise ConfigurationError("the database has no tables yet: run `tactus migrate`") from error

    async def keep_house(self) -> list[str]:
        """Make the coming months' partitions and forget old seen ids; safe when several workers do it at once."""
        async with self._pool.acquire(timeout=10) as connection, connection.transaction():
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock(7241005513)"):
                return []
            made = [dict(row) for row in await connection.fetch(SQL["months"])]
            for month in made:
                # Names and bounds come from the database's own calendar, never from an event.
                await connection.execute(
                    f"CREATE TABLE touchpoint_{month['name']} PARTITION OF touchpoint_row "
                    f"FOR VALUES FROM ('{month['lower']} 00:00+00') TO ('{month['upper']} 00:00+00')"
                )
            await connection.execute(SQL["forget_seen"])
        return [month["name"] for month in made]
