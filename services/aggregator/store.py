"""What a chunk's transaction says to Postgres; the only file of the aggregator that knows asyncpg."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
import numpy as np
from numpy.typing import NDArray

from services.aggregator.batch import Dead
from services.aggregator.copying import HEADER, fixed_copy
from services.aggregator.ports import Chunk, Partition
from services.core.columns import WIDTH, Tallies
from services.infra.postgres import open_pool
from services.infra.queries import load_queries
from services.infra.settings import PostgresSettings

T = TypeVar("T")

SQL: Final[Mapping[str, str]] = load_queries(
    "services.aggregator", "sql", "queries.sql"
)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

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

TOUCHPOINT_COLUMNS: Final = (
    "occurred_at",
    "received_at",
    "key",
    "identity",
    "body_hash",
    "leaf",
    "v",
    "q",
    "source",
    "event_id",
    "body",
)

HELD_S: Final = 2.0
"""Ten times what a chunk's transaction takes: whoever holds a partition longer against its new owner is frozen."""

CAREFUL_CHUNKS: Final = 50
"""After a duplicate: a wasted copy in fifty chunks costs two per cent."""

TALLY_TYPES: Final = (
    ("leaf", "integer"),
    ("hour", "integer"),
    ("n", "integer"),
    ("q", "bigint"),
    ("pos", "bigint"),
    ("neg", "bigint"),
    ("pos2", "bigint"),
    ("neg2", "bigint"),
    ("best", "integer"),
    ("worst", "integer"),
)

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


class Counts(NamedTuple):
    """How a chunk's records divide; their sum is the chunk's length."""

    applied: int = 0
    duplicate: int = 0
    conflict: int = 0
    dead: int = 0


class Position(NamedTuple):
    """A partition's row after it was taken."""

    next: int
    epoch: int
    lost_unaccepted: int


class Locked(NamedTuple):
    """A person's row, locked."""

    version: int
    merged: bool


class Known(NamedTuple):
    """An event that an earlier transaction stored."""

    key: bytes
    occurred_at: datetime | None
    body_hash: int


class LinkRow(NamedTuple):
    """Two identities that an event named together; numbers, the smaller first."""

    a: int
    b: int
    source: str
    alias: bool
    occurred_at: datetime
    event_id: str


class Caution:
    """Whether a chunk's events may be copied in as if all were new.

    That costs Postgres a third less than comparing first, and all of it again where one is not new; duplicates come
    in bursts (a client that retries, a worker that starts over), so after one the next chunks are compared.
    """

    def __init__(self) -> None:
        self._chunks = 0

    def trusts(self) -> bool:
        """True when no chunk of late held a duplicate."""
        self._chunks -= 1
        return self._chunks < 0

    def surprised(self) -> None:
        """A chunk did."""
        self._chunks = CAREFUL_CHUNKS


class Transaction:
    """One connection inside a transaction; methods are statements, in the order a chunk needs them."""

    def __init__(self, connection: asyncpg.Connection, caution: Caution) -> None:
        self._connection = connection
        self._caution = caution

    async def fence(self, chunk: Chunk, *, epoch: int, counts: Counts) -> bool:
        """Move the partition's position; False when another worker owns it or moved it."""
        tag = await self._connection.execute(
            SQL["fence"],
            chunk.topic,
            chunk.part,
            chunk.first,
            epoch,
            chunk.next,
            *counts,
        )
        return bool(tag == "UPDATE 1")

    async def recount(self, chunk: Chunk, *, duplicate: int, conflict: int) -> None:
        """Correct the counts that the fence assumed."""
        await self._connection.execute(
            SQL["recount"], chunk.topic, chunk.part, duplicate, conflict
        )

    async def add_seen(
        self, keys: Sequence[bytes], hashes: Sequence[int]
    ) -> list[Known]:
        """Remember events without a time of their own; returns those that were known."""
        uuids = [UUID(bytes=key) for key in keys]
        fresh = {
            row["key"]
            for row in await self._connection.fetch(SQL["add_seen"], uuids, hashes)
        }
        old = [key for key in uuids if key not in fresh]
        rows = await self._connection.fetch(SQL["find_seen"], old) if old else []
        return [Known(row["key"].bytes, None, row["body_hash"]) for row in rows]

    async def add_touchpoints(self, rows: BytesIO, *, count: int) -> list[Known]:
        """Insert the events and return those that an earlier transaction had stored."""
        if self._caution.trusts() and await self._all_new(rows):
            return []
        await self._copy("incoming_touchpoint", rows)
        tag = await self._connection.execute(SQL["add_touchpoints"])
        if tag == f"INSERT 0 {count}":
            return []
        known = await self._connection.fetch(SQL["known_touchpoints"])
        return [
            Known(row["key"].bytes, row["occurred_at"], row["body_hash"])
            for row in known
        ]

    async def _all_new(self, rows: BytesIO) -> bool:
        """Copy the events straight in; one that was stored before undoes it all, and the slower way finds it."""
        # Released by hand: what followed a mere rollback would still be a subtransaction's, and its rows would not
        # carry this transaction's number, by which known_touchpoints tells ours from those that were there.
        await self._connection.execute("SAVEPOINT straight")
        try:
            await self._connection.copy_to_table(
                "touchpoint_row",
                source=rows,
                format="binary",
                columns=TOUCHPOINT_COLUMNS,
            )
        except asyncpg.UniqueViolationError:
            await self._connection.execute(
                "ROLLBACK TO SAVEPOINT straight; RELEASE SAVEPOINT straight"
            )
            self._caution.surprised()
            rows.seek(0)
            return False
        await self._connection.execute("RELEASE SAVEPOINT straight")
        return True

    async def add_dead(
        self, chunk: Chunk, dead: Sequence[Dead], *, origin: str
    ) -> None:
        """Keep what cannot be counted, whole, with the reason."""
        await self._connection.execute(
            SQL["add_dead"],
            origin,
            chunk.topic,
            chunk.part,
            [_storable(one.poison.reason) for one in dead],
            [_storable(one.poison.detail) for one in dead],
            [one.record.offset for one in dead],
            [_storable(one.poison.source) for one in dead],
            [_storable(one.poison.event_id) for one in dead],
            [one.record.key for one in dead],
            [one.record.value for one in dead],
            [_headers(one.record.headers) for one in dead],
        )

    async def lock_links(self) -> None:
        """Let one transaction at a time change who is linked to whom."""
        await self._connection.execute(SQL["lock_links"])

    async def add_links(self, links: Sequence[LinkRow]) -> bool:
        """Keep the links; True when any was new or earlier than known."""
        rows = await self._connection.fetch(
            SQL["add_links"],
            [link.a for link in links],
            [link.b for link in links],
            [link.source for link in links],
            [link.occurred_at for link in links],
            [link.event_id for link in links],
        )
        return bool(rows)

    async def linked(self, identities: Iterable[int]) -> list[LinkRow]:
        """Every link in the neighbourhood that these identities reach."""
        return [
            LinkRow(*row)
            for row in await self._connection.fetch(SQL["linked"], list(identities))
        ]

    async def names(self, identities: Iterable[int]) -> list[tuple[int, str, int]]:
        """Number, value and person of identities."""
        return [
            tuple(row)
            for row in await self._connection.fetch(SQL["names_of"], list(identities))
        ]

    async def move(self, persons: Mapping[int, int]) -> None:
        """Let identities belong to other persons."""
        await self._connection.execute(
            SQL["move_identities"], list(persons), list(persons.values())
        )

    async def point_persons(self, persons: Iterable[int]) -> None:
        """Set or clear the merge pointers after identities moved."""
        await self._connection.execute(SQL["point_persons"], list(persons))

    async def add_persons(self, persons: Iterable[int]) -> None:
        """Make rows for persons that may have none."""
        await self._connection.execute(SQL["add_persons"], list(persons))

    async def lock_persons(self, persons: Iterable[int]) -> dict[int, Locked]:
        """Lock the rows in the order of their numbers."""
        rows = await self._connection.fetch(SQL["lock_persons"], list(persons))
        return {row[0]: Locked(row[1], row[2] is not None) for row in rows}

    async def members(self, persons: Iterable[int]) -> list[tuple[int, str, int]]:
        """Number, value and person of all identities of these persons."""
        return [
            tuple(row)
            for row in await self._connection.fetch(SQL["members"], list(persons))
        ]

    async def next_version(self) -> int:
        """The next version of a score; taken under the persons' locks, so it grows for each of them."""
        return int(await self._connection.fetchval(SQL["next_version"]))

    async def add_tallies(
        self, identity: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> None:
        """Add to what is stored."""
        columns = [("bigint", identity)]
        columns += [
            (kind, rows[:, position]) for position, (_, kind) in enumerate(TALLY_TYPES)
        ]
        await self._copy("incoming_tally", fixed_copy(columns))
        await self._connection.execute(SQL["add_tallies"])

    async def read_tallies(self, persons: Sequence[int]) -> Tallies:
        """The stored tallies of persons, one row for each identity; owner is the person's number."""
        output = BytesIO()
        query = SQL["read_tallies"].replace(
            "$1", "'{" + ",".join(map(str, persons)) + "}'"
        )
        await self._connection.copy_from_query(query, output=output, format="binary")
        return parse_tallies(output.getbuffer())

    async def write_scores(self, rows: BytesIO) -> None:
        """Store the scores of locked persons."""
        await self._copy("incoming_score", rows)
        await self._connection.execute(SQL["write_scores"])

    async def _copy(self, table: str, rows: BytesIO) -> None:
        await self._connection.copy_to_table(table, source=rows, format="binary")


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

        return cls(
            await open_pool(
                settings,
                application="tactus-aggregator",
                max_size=lanes + 1,
                prepare=prepare,
            )
        )

    async def close(self) -> None:
        """Close the connections, whatever they are doing, within a bound."""
        self._pool.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that commits at the end of the block and rolls back on any exception."""
        async with (
            self._pool.acquire(timeout=10) as connection,
            connection.transaction(),
        ):
            yield Transaction(connection, self._caution)  # type: ignore[arg-type]  # the pool's proxy has its methods

    async def take(
        self, partitions: Mapping[Partition, int], *, owner: str
    ) -> dict[Partition, Position]:
        """Own partitions, given the log's first offset of each."""
        topics, parts = (
            [topic for topic, _ in partitions],
            [part for _, part in partitions],
        )
        async with self._pool.acquire(timeout=10) as connection:
            await self._unhindered(
                connection,
                connection.execute(
                    SQL["add_partitions"], topics, parts, list(partitions.values())
                ),
            )
            rows = await self._unhindered(
                connection,
                connection.fetch(SQL["own_partitions"], topics, parts, owner),
            )
        return {
            (row["topic"], row["part"]): Position(
                row["next"], row["epoch"], row["lost"] - row["lost_accepted"]
            )
            for row in rows
        }

    async def _unhindered(
        self,
        connection: asyncpg.pool.PoolConnectionProxy,
        statement: Coroutine[Any, Any, T],
    ) -> T:
        """Run a statement that must not wait for a former owner, and end the sessions that it waits for.

        A worker that is frozen while it copies rows in holds its locks for ever: Postgres heeds no timeout there.
        Ending its session is safe, since whatever it had not committed is counted by the new owner.
        """
        running = asyncio.create_task(statement)
        try:
            while not (await asyncio.wait({running}, timeout=HELD_S))[0]:
                await self._pool.execute(
                    SQL["end_blockers"], connection.get_server_pid()
                )
            return await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def position(self, partition: Partition) -> Position | None:
        """Where a partition stands."""
        row = await self._pool.fetchrow(SQL["progress"], *partition)
        return None if row is None else Position(row["next"], row["epoch"], 0)

    async def note_lost(self, partition: Partition, *, records: int) -> None:
        """Write down how many records retention removed before they were read."""
        await self._pool.execute(SQL["note_lost"], *partition, records)

    async def accept_lost(
        self, partition: Partition, *, earliest: int, end: int
    ) -> bool:
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
        """The number of a model version."""
        return int(await self._pool.fetchval(SQL["use_model"], version))

    async def keep_house(self) -> list[str]:
        """Make the coming months' partitions and forget old seen ids; safe when several workers do it at once."""
        async with (
            self._pool.acquire(timeout=10) as connection,
            connection.transaction(),
        ):
            if not await connection.fetchval(
                "SELECT pg_try_advisory_xact_lock(7241005513)"
            ):
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


def parse_tallies(copied: memoryview) -> Tallies:
    """Read the binary COPY of read_tallies."""
    fields: list[tuple[str, str]] = [
        ("fields", ">i2"),
        ("length", ">i4"),
        ("person", ">i8"),
    ]
    for name, kind in TALLY_TYPES:
        fields += [
            (f"{name}_length", ">i4"),
            (name, ">i4" if kind == "integer" else ">i8"),
        ]
    layout = np.dtype(fields)
    count = (len(copied) - len(HEADER) - 2) // layout.itemsize
    raw = np.frombuffer(copied, dtype=layout, count=count, offset=len(HEADER))
    rows = np.empty((count, WIDTH), dtype=np.int64)
    for position, (name, _) in enumerate(TALLY_TYPES):
        rows[:, position] = raw[name]
    return Tallies(raw["person"].astype(np.int64), rows)


def instant(since_1970_us: int) -> datetime:
    """Microseconds since 1970 as asyncpg wants them."""
    return EPOCH + timedelta(microseconds=since_1970_us)


def micros(at: datetime) -> int:
    """The way back, exact."""
    return (at - EPOCH) // timedelta(microseconds=1)


def _storable(text: str | None) -> str | None:
    # Postgres text holds no U+0000 and no lone surrogate; the record itself is kept beside, byte for byte.
    if text is None:
        return None
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def _headers(headers: Sequence[tuple[str, bytes]]) -> str:
    pairs = [
        [_storable(name), (value or b"").decode("utf-8", "backslashreplace")]
        for name, value in headers
    ]
    return json.dumps(pairs).replace("\\u0000", "\\\\0")
