"""What a chunk's transaction says to Postgres, statement by statement."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.batch import Dead
from services.aggregator.counting.records import Event
from services.aggregator.processor import Chunk
from services.core.tallies import WIDTH, Tallies
from services.state.copying import HEADER, fixed_copy, in_pieces
from services.state.queries import load_queries

SQL: Final[Mapping[str, str]] = load_queries("queries.sql")

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

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

CAREFUL_CHUNKS: Final = 50
"""After a duplicate: a wasted copy in fifty chunks costs two per cent."""

CLAMPED_MAX: Final = 1000
"""Clocks that run ahead are rare; where they are not, the chunk's own keys are cheaper to ask for."""

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


class Counts(NamedTuple):
    """How a chunk's records divide; their sum is the chunk's length."""

    applied: int = 0
    duplicate: int = 0
    conflict: int = 0
    dead: int = 0


class Locked(NamedTuple):
    """A person's row, locked."""

    version: int
    merged: bool
    as_of: int
    """The hour its stored score was read at."""


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
            SQL["fence"], chunk.topic, chunk.part, chunk.first, epoch, chunk.next, *counts
        )
        return bool(tag == "UPDATE 1")

    async def recount(self, chunk: Chunk, *, duplicate: int, conflict: int) -> None:
        """Correct the counts that the fence assumed."""
        await self._connection.execute(SQL["recount"], chunk.topic, chunk.part, duplicate, conflict)

    async def add_seen(self, events: Sequence[Event]) -> list[Known]:
        """Remember events without a time of their own; returns those that were known."""
        uuids = [UUID(bytes=event.key) for event in events]
        rows = await self._connection.fetch(
            SQL["add_seen"],
            uuids,
            [signed(event.body_hash) for event in events],
            [event.client_us and instant(event.client_us) for event in events],
        )
        fresh = {row["key"] for row in rows}
        old = [key for key in uuids if key not in fresh]
        rows = await self._connection.fetch(SQL["find_seen"], old) if old else []
        return [Known(row["key"].bytes, None, row["body_hash"]) for row in rows]

    async def clamped(self, events: Sequence[Event]) -> list[Known]:
        """Clamped events that some of these, by their times, may be again."""
        times = [event.occurred_us for event in events]
        span = (instant(min(times)), instant(max(times)))
        rows = await self._connection.fetch(SQL["clamped"], *span, CLAMPED_MAX)
        if len(rows) == CLAMPED_MAX:
            keys = [UUID(bytes=event.key) for event in events]
            rows = await self._connection.fetch(SQL["clamped_among"], *span, keys)
        return [Known(row["key"].bytes, row["client_time"], row["body_hash"]) for row in rows]

    async def believed(self, events: Sequence[Event]) -> list[Known]:
        """Events that were stored with the time that these, which are clamped, had named."""
        rows = await self._connection.fetch(
            SQL["believed"],
            [UUID(bytes=event.key) for event in events],
            [instant(event.client_us or 0) for event in events],
        )
        return [Known(row["key"].bytes, row["occurred_at"], row["body_hash"]) for row in rows]

    async def correct_seen(self, hashes: Mapping[bytes, int]) -> None:
        """Remember of events, by key, the body that counts."""
        await self._connection.execute(SQL["correct_seen"], [UUID(bytes=key) for key in hashes], list(hashes.values()))

    async def add_touchpoints(self, rows: bytes, *, count: int) -> list[Known]:
        """Insert the events and return those that an earlier transaction had stored."""
        if self._caution.trusts() and await self._all_new(rows):
            return []
        await self._copy("incoming_touchpoint", rows)
        tag = await self._connection.execute(SQL["add_touchpoints"])
        if tag == f"INSERT 0 {count}":
            return []
        known = await self._connection.fetch(SQL["known_touchpoints"])
        return [Known(row["key"].bytes, row["occurred_at"], row["body_hash"]) for row in known]

    async def _all_new(self, rows: bytes) -> bool:
        """Copy the events straight in; one that was stored before undoes it all, and the slower way finds it."""
        # Released by hand: what followed a mere rollback would still be a subtransaction's, and its rows would not
        # carry this transaction's number, by which known_touchpoints tells ours from those that were there.
        await self._connection.execute("SAVEPOINT straight")
        try:
            await self._connection.copy_to_table(
                "touchpoint_row", source=in_pieces(rows), format="binary", columns=TOUCHPOINT_COLUMNS
            )
        except asyncpg.UniqueViolationError:
            await self._connection.execute("ROLLBACK TO SAVEPOINT straight; RELEASE SAVEPOINT straight")
            self._caution.surprised()
            return False
        await self._connection.execute("RELEASE SAVEPOINT straight")
        return True

    async def add_dead(self, chunk: Chunk, dead: Sequence[Dead], *, origin: str) -> None:
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
        return [LinkRow(*row) for row in await self._connection.fetch(SQL["linked"], list(identities))]

    async def names(self, identities: Iterable[int]) -> list[tuple[int, str, int]]:
        """Number, value and person of identities."""
        return [tuple(row) for row in await self._connection.fetch(SQL["names_of"], list(identities))]

    async def move(self, persons: Mapping[int, int]) -> None:
        """Let identities belong to other persons."""
        await self._connection.execute(SQL["move_identities"], list(persons), list(persons.values()))

    async def point_persons(self, persons: Iterable[int]) -> None:
        """Set or clear the merge pointers after identities moved."""
        await self._connection.execute(SQL["point_persons"], list(persons))

    async def add_persons(self, persons: Iterable[int]) -> None:
        """Make rows for persons that may have none."""
        await self._connection.execute(SQL["add_persons"], list(persons))

    async def lock_persons(self, persons: Iterable[int]) -> dict[int, Locked]:
        """Lock the rows in the order of their numbers."""
        rows = await self._connection.fetch(SQL["lock_persons"], list(persons))
        return {row[0]: Locked(row[1], row[2] is not None, row[3]) for row in rows}

    async def members(self, persons: Iterable[int]) -> list[tuple[int, str, int]]:
        """Number, value and person of all identities of these persons."""
        return [tuple(row) for row in await self._connection.fetch(SQL["members"], list(persons))]

    async def next_version(self) -> int:
        """The next version of a score; taken under the persons' locks, so it grows for each of them."""
        return int(await self._connection.fetchval(SQL["next_version"]))

    async def add_tallies(
        self, identity: NDArray[np.int64], rows: NDArray[np.int64], *, fresh: NDArray[np.bool_]
    ) -> None:
        """Add to what is stored; rows known to be fresh are copied straight in, at half the cost."""
        for table, chosen in (("tally_row", fresh), ("incoming_tally", ~fresh)):
            mine = rows[chosen]
            if not len(mine):
                continue
            columns = [("bigint", identity[chosen])]
            columns += [(kind, mine[:, position]) for position, (_, kind) in enumerate(TALLY_TYPES)]
            await self._copy(table, fixed_copy(columns))
            if table == "incoming_tally":
                await self._connection.execute(SQL["add_tallies"])

    async def read_tallies(self, persons: Sequence[int]) -> Tallies:
        """The stored tallies of persons, one row for each identity; owner is the person's number."""
        output = BytesIO()
        query = SQL["read_tallies"].replace("$1", "'{" + ",".join(map(str, persons)) + "}'")
        await self._connection.copy_from_query(query, output=output, format="binary")
        return parse_tallies(output.getbuffer())

    async def write_scores(self, rows: bytes) -> None:
        """Store the scores of locked persons."""
        await self._copy("incoming_score", rows)
        await self._connection.execute(SQL["write_scores"])

    async def _copy(self, table: str, rows: bytes) -> None:
        await self._connection.copy_to_table(table, source=in_pieces(rows), format="binary")


def parse_tallies(copied: memoryview) -> Tallies:
    """Read the binary COPY of read_tallies."""
    fields: list[tuple[str, str]] = [("fields", ">i2"), ("length", ">i4"), ("person", ">i8")]
    for name, kind in TALLY_TYPES:
        fields += [(f"{name}_length", ">i4"), (name, ">i4" if kind == "integer" else ">i8")]
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


def signed(body_hash: bytes) -> int:
    """A body hash as the bigint that Postgres keeps."""
    return int.from_bytes(body_hash, "big", signed=True)


def _storable(text: str | None) -> str | None:
    # Postgres text holds no U+0000 and no lone surrogate; the record itself is kept beside, byte for byte.
    if text is None:
        return None
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def _headers(headers: Sequence[tuple[str, bytes]]) -> str:
    pairs = [[_storable(name), (value or b"").decode("utf-8", "backslashreplace")] for name, value in headers]
    return json.dumps(pairs).replace("\\u0000", "\\\\0")
