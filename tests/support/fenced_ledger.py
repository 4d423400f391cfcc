"""A Processor on a file: fenced like Postgres, shared by processes, and it keeps what it was given."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

from schemas.topics import Partition
from services.aggregator.processor import Bounds, Chunk
from services.infra.errors import ConfigurationError, FencedError

SCHEMA = """
CREATE TABLE IF NOT EXISTS progress (topic, part, next, epoch, PRIMARY KEY (topic, part));
CREATE TABLE IF NOT EXISTS record (topic, part, log_offset, value, owner, PRIMARY KEY (topic, part, log_offset));
CREATE TABLE IF NOT EXISTS chunk (topic, part, first, next, records, owner);
"""


class Stored(NamedTuple):
    """One chunk that was committed."""

    topic: str
    part: int
    first: int
    next: int
    records: int
    owner: str


class FencedLedger:
    """Stores each chunk in one transaction that moves the partition's position from `first` to `next`."""

    def __init__(self, path: Path, *, owner: str = "one", pause_s: float = 0.0) -> None:
        self.path = path
        self.owner = owner
        self.pause_s = pause_s
        self.epochs: dict[Partition, int] = {}
        self.forgotten: list[Partition] = []
        self.under_way: dict[Partition, int] = {}
        self.under_way_most = 0
        with self._connected() as connection:
            connection.executescript("PRAGMA journal_mode = WAL;" + SCHEMA)

    async def take_ownership(self, bounds: Mapping[Partition, Bounds]) -> Mapping[Partition, int]:
        starts: dict[Partition, int] = {}
        with self._connected() as connection:
            for (topic, part), bound in bounds.items():
                connection.execute(
                    "INSERT INTO progress VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING", (topic, part, bound.earliest)
                )
                connection.execute("UPDATE progress SET epoch = epoch + 1 WHERE topic = ? AND part = ?", (topic, part))
                row = connection.execute(
                    "SELECT next, epoch FROM progress WHERE topic = ? AND part = ?", (topic, part)
                ).fetchone()
                if row[0] > bound.end:
                    raise ConfigurationError(_beyond((topic, part), row[0], bound))
                starts[topic, part], self.epochs[topic, part] = row
        return starts

    async def process(self, chunk: Chunk) -> None:
        partition = (chunk.topic, chunk.part)
        self.under_way[partition] = self.under_way.get(partition, 0) + 1
        self.under_way_most = max(self.under_way_most, sum(self.under_way.values()))
        try:
            if self.under_way[partition] > 1:
                raise AssertionError(f"two chunks of {partition} at once")
            await asyncio.sleep(self.pause_s)
            self._store(chunk)
        finally:
            self.under_way[partition] -= 1

    def forget(self, partitions: Iterable[Partition]) -> None:
        self.forgotten += partitions

    def records(self, topic: str) -> dict[int, list[tuple[int, bytes]]]:
        """Offset and value of what is stored of each partition."""
        with self._connected() as connection:
            rows = connection.execute(
                "SELECT part, log_offset, value FROM record WHERE topic = ? ORDER BY part, log_offset", (topic,)
            ).fetchall()
        stored: dict[int, list[tuple[int, bytes]]] = {}
        for part, offset, value in rows:
            stored.setdefault(part, []).append((offset, value))
        return stored

    def chunks(self, topic: str) -> list[Stored]:
        """The chunks in the order of their commits."""
        with self._connected() as connection:
            rows = connection.execute(
                "SELECT topic, part, first, next, records, owner FROM chunk WHERE topic = ? ORDER BY rowid", (topic,)
            ).fetchall()
        return [Stored(*row) for row in rows]

    def count(self, topic: str) -> int:
        with self._connected() as connection:
            return int(connection.execute("SELECT count(*) FROM record WHERE topic = ?", (topic,)).fetchone()[0])

    def taken(self, topic: str) -> set[int]:
        """The partitions that somebody has taken."""
        with self._connected() as connection:
            return {
                part
                for (part,) in connection.execute("SELECT part FROM progress WHERE topic = ? AND epoch > 0", (topic,))
            }

    def move(self, partition: Partition, *, position: int) -> None:
        """Set where a partition stands, as a restored database would."""
        with self._connected() as connection:
            connection.execute("INSERT OR REPLACE INTO progress VALUES (?, ?, ?, 0)", (*partition, position))

    def steal(self, topic: str) -> None:
        """Raise the epochs, as another worker's take-over would."""
        with self._connected() as connection:
            connection.execute("UPDATE progress SET epoch = epoch + 1 WHERE topic = ?", (topic,))

    def _store(self, chunk: Chunk) -> None:
        partition = (chunk.topic, chunk.part)
        with self._connected() as connection:
            moved = connection.execute(
                "UPDATE progress SET next = ? WHERE topic = ? AND part = ? AND next = ? AND epoch = ?",
                (chunk.next, *partition, chunk.first, self.epochs.get(partition, -1)),
            ).rowcount
            if moved != 1:
                raise FencedError(f"{partition} at {chunk.first} belongs to another worker")
            connection.executemany(
                "INSERT INTO record VALUES (?, ?, ?, ?, ?)",
                [(*partition, record.offset, record.value, self.owner) for record in chunk.records],
            )
            connection.execute(
                "INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?)",
                (*partition, chunk.first, chunk.next, len(chunk.records), self.owner),
            )

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=20, isolation_level="IMMEDIATE")
        connection.execute("PRAGMA synchronous = OFF")  # outlives a kill; no test cuts the power
        try:
            with connection:
                yield connection
        finally:
            connection.close()


def _beyond(partition: Partition, position: int, bound: Bounds) -> str:
    return f"{partition} is stored up to {position}, the log ends at {bound.end}"


@asynccontextmanager
async def opened(ledger: FencedLedger) -> AsyncIterator[FencedLedger]:
    """As the app wants its processor."""
    yield ledger
