"""Where each partition stands: the fence of every chunk's transaction, and the conservation law."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import asyncpg

from schemas.topics import Partition
from services.state.pool import Statements, present

T = TypeVar("T")

HELD_S: Final = 2.0
"""Ten times what a chunk's transaction takes: whoever holds a partition longer against its new owner is frozen."""


class Mark(NamedTuple):
    """The last record that was dealt with, and by what it is known again."""

    offset: int
    value: int


class Position(NamedTuple):
    """A partition's row after it was taken."""

    next: int
    epoch: int
    mark: Mark | None
    """None before the first record, and for what an earlier version has stored."""


class Span(NamedTuple):
    """The offsets [first, next) of a partition that one transaction deals with."""

    topic: str
    part: int
    first: int
    next: int
    skipped: int
    """How many of the offsets hold no record."""
    mark: Mark | None
    """The last record among them."""


class Outcomes(NamedTuple):
    """What became of records: each is in exactly one of these."""

    applied: int = 0
    duplicate: int = 0
    conflict: int = 0
    dead: int = 0
    erased: int = 0

    @property
    def total(self) -> int:
        """All records that were dealt with."""
        return sum(self)


class Passed(NamedTuple):
    """How many records the stored positions have passed, and what became of them."""

    passed: int
    outcomes: Outcomes

    @property
    def gap(self) -> int:
        """What the conservation law says is 0: records passed over minus records accounted for."""
        return self.passed - self.outcomes.total


class PartitionState(NamedTuple):
    """One partition as the database knows it."""

    topic: str
    part: int
    next: int
    start: int
    """The log's first offset when the partition was first owned."""
    lost: int
    """Records that retention removed before they were read."""
    lost_accepted: int
    """Of these, what an operator has accepted."""
    skipped: int
    """Offsets that hold no record."""
    mark: Mark | None
    outcomes: Outcomes
    still_s: float
    """Since when the position has not moved."""

    @property
    def account(self) -> Passed:
        """The conservation law of this partition."""
        return Passed(self.next - self.start - self.lost_accepted - self.skipped, self.outcomes)


def added_up(states: Sequence[PartitionState]) -> Passed:
    """The conservation law over several partitions."""
    accounts = [state.account for state in states]
    outcomes = Outcomes(
        *(sum(counts) for counts in zip(Outcomes(), *(account.outcomes for account in accounts), strict=True))
    )
    return Passed(sum(account.passed for account in accounts), outcomes)


class ProgressTable:
    """The statements of `partition_progress`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def fence(self, span: Span, *, epoch: int, outcomes: Outcomes) -> bool:
        """Move the partition's position; False when another worker owns it or moved it."""
        topic, part, first, next_, skipped, mark = span
        applied, duplicate, conflict, dead, _ = outcomes
        counts = (applied, duplicate, conflict, dead, skipped)
        moved = await self._say.run("fence", topic, part, first, epoch, next_, *counts, *(mark or (None, None)))
        return moved == 1

    async def recount(self, span: Span, *, duplicate: int, conflict: int) -> None:
        """Correct the counts that the fence assumed."""
        await self._say.run("recount", span.topic, span.part, duplicate, conflict)

    async def position(self, partition: Partition) -> Position | None:
        """Where a partition stands."""
        row = await self._say.row("progress", *partition)
        return None if row is None else _position(row)

    async def note_lost(self, partition: Partition, *, records: int) -> None:
        """Write down how many records retention removed before they were read."""
        await self._say.run("note_lost", *partition, records)

    async def accept_lost(self, partition: Partition, *, earliest: int, end: int, foreign: bool) -> bool:
        """Go on from the log's start, on an operator's word; False when there is nothing to accept.

        `foreign`: the log does not hold the record that was counted last. All that it has is read again then; what was
        counted before is known by its source and id.
        """
        return await self._say.value("accept_lost", *partition, earliest, end, foreign) is not None

    async def states(self) -> list[PartitionState]:
        """Every partition that was ever owned, in the order of topic and number."""
        return [
            PartitionState(
                topic=row["topic"],
                part=row["part"],
                next=row["next"],
                start=row["start"],
                lost=row["lost"],
                lost_accepted=row["lost_accepted"],
                skipped=row["skipped"],
                mark=_mark(row),
                outcomes=Outcomes(*(row[name] for name in Outcomes._fields)),
                still_s=row["still_s"],
            )
            for row in await self._say.rows("partitions")
        ]

    async def passed(self, topics: Sequence[str]) -> Passed:
        """The conservation law over all partitions of these topics."""
        passed, *outcomes = tuple(await self._say.row("event_counts", list(topics)) or ())
        return Passed(passed, Outcomes(*outcomes))


async def take_partitions(
    pool: asyncpg.Pool, partitions: Mapping[Partition, int], *, owner: str
) -> dict[Partition, Position]:
    """Own partitions, given the log's first offset of each; raises UnavailableError."""
    topics, parts = [topic for topic, _ in partitions], [part for _, part in partitions]
    with present():
        async with pool.acquire(timeout=HELD_S * 5) as connection:
            say = Statements(connection)  # type: ignore[arg-type]  # the pool's proxy has its methods
            server = await say.value("server_pid")  # a pooler in between makes up the one that asyncpg knows
            added = say.run("add_partitions", topics, parts, list(partitions.values()))
            await _unhindered(pool, added, server=server)
            rows = await _unhindered(pool, say.rows("own_partitions", topics, parts, owner), server=server)
    return {(row["topic"], row["part"]): _position(row) for row in rows}


def _position(row: asyncpg.Record) -> Position:
    return Position(row["next"], row["epoch"], _mark(row))


def _mark(row: asyncpg.Record) -> Mark | None:
    offset, value = row["last_offset"], row["last_mark"]
    return None if offset is None or value is None else Mark(offset, value)


async def _unhindered(pool: asyncpg.Pool, statement: Coroutine[Any, Any, T], *, server: int) -> T:
    """Run a statement that must not wait for a former owner, and end the sessions that it waits for.

    A worker that is frozen while it copies rows in holds its locks for ever: Postgres heeds no timeout there.
    Ending its session is safe, since whatever it had not committed is counted by the new owner.
    """
    running = asyncio.create_task(statement)
    try:
        while not (await asyncio.wait({running}, timeout=HELD_S))[0]:
            await Statements(pool).run("end_blockers", server)
        return await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
