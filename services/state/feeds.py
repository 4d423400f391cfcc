"""Feeds: what transactions wrote, in an order in which nothing is skipped, and how far each follower of ours is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.state.pool import Statements


class Position(NamedTuple):
    """Where a follower stands: everything up to this row of this transaction is dealt with.

    A row is read only once every transaction before its own has ended, so a slow one that commits after a fast one is not
    passed over.
    """

    xact: int
    id: int


BEGINNING: Final = Position(0, 0)


class ScoreChange(NamedTuple):
    """The scores that one transaction wrote; its columns are in step."""

    position: Position
    at: datetime
    version: int
    model: int
    persons: Sequence[int]
    scores: Sequence[float]
    confidences: Sequence[float]
    bands: Sequence[int]


class Letter(NamedTuple):
    """A record for a topic; no value is a tombstone."""

    topic: str
    key: str
    value: bytes | None


class Outgoing(NamedTuple):
    """A letter in its place."""

    position: Position
    letter: Letter
    created_at: datetime


class FeedTable:
    """The statements of `score_change`, `outbox` and `feed_position`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def position(self, feed: str) -> Position:
        """How far a follower is; the beginning when it never moved."""
        row = await self._say.row("feed_position", feed)
        return BEGINNING if row is None else Position(*row)

    async def move(self, feed: str, position: Position) -> None:
        """Let a follower stand there; never backwards."""
        await self._say.run("move_feed", feed, str(position.xact), position.id)

    async def settled_before(self) -> int:
        """Everything that transactions before this one wrote is there: none of them is under way any more."""
        return int(await self._say.value("settled_before"))

    async def changes(self, after: Position, *, limit: int) -> list[ScoreChange]:
        """The next score changes after a position, at most so many transactions' of them."""
        rows = await self._say.rows("changes_after", str(after.xact), after.id, limit)
        return [ScoreChange(Position(xact, number), *rest) for xact, number, *rest in rows]

    async def outgoing(self, after: Position, *, limit: int) -> list[Outgoing]:
        """The next letters after a position."""
        rows = await self._say.rows("outbox_after", str(after.xact), after.id, limit)
        return [
            Outgoing(Position(xact, number), Letter(topic, key, value), at)
            for xact, number, topic, key, value, at in rows
        ]

    async def put(self, letters: Sequence[Letter]) -> None:
        """Put letters into the outbox, in this order."""
        columns = list(zip(*letters, strict=True))
        await self._say.run("put_into_outbox", *map(list, columns))
