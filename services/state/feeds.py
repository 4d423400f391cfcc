"""Feeds: what transactions wrote, in an order in which nothing is skipped, and how far each follower of ours is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

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


class Written(NamedTuple):
    """By which transaction a person was written: the version of its scores, and when."""

    version: int
    at: datetime


class Changed(NamedTuple):
    """Whom some transactions in a row wrote, each by the last of them."""

    position: Position
    written: Mapping[int, Written]


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

    async def hold(self, feed: str, holder: UUID, *, for_s: float, of_states: bool) -> Position | None:
        """Take or keep a feed for a while; its position, or None when somebody else has it.

        In another life of the database than the position's, a restored one, everything is to be told again: rows that
        bear numbers of the former life get one of this, and of a feed of states versions leap above what followers may hold
        and everybody is announced. So is everybody to one that never was.
        """
        row = await self._say.row("hold_feed", feed, holder, for_s)
        if row is None:
            return None
        if row["alive"]:
            return Position(row["xact"], row["id"])
        await self._say.run("begin_life", feed)
        await self._say.run("restamp_changes")
        await self._say.run("restamp_outbox")
        if of_states:
            if row["life"]:
                await self._say.value("leap_versions")
            await self._say.run("announce_everybody", "restored" if row["life"] else "first")
        return BEGINNING

    async def move_held(self, feed: str, holder: UUID, position: Position, *, for_s: float) -> bool:
        """Let a feed that is held stand there and keep it; False when somebody else has it by now."""
        return bool(await self._say.run("move_held", feed, holder, str(position.xact), position.id, for_s))

    async def release(self, feed: str, holder: UUID) -> None:
        """Leave a feed to whoever asks next."""
        await self._say.run("release_feed", feed, holder)

    async def changes_wait_for(self, feed: str) -> float | None:
        """For how many seconds this follower has not dealt with the first score change that it has not; None: it has all."""
        waits: float | None = await self._say.value("changes_wait_for", feed)
        return waits

    async def letters_wait_for(self, feed: str) -> float | None:
        """As `changes_wait_for`, of letters in the outbox."""
        waits: float | None = await self._say.value("letters_wait_for", feed)
        return waits

    async def changed(self, after: Position, *, persons: int) -> Changed | None:
        """Whom the next transactions after a position wrote, about so many persons; None when there is none."""
        rows = await self._say.rows("changed_persons", str(after.xact), after.id, persons)
        if not rows:
            return None
        written: dict[int, Written] = {}
        for row in rows:
            written.update(dict.fromkeys(row["persons"], Written(row["version"], row["at"])))
        return Changed(Position(rows[-1]["xact"], rows[-1]["id"]), written)

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
