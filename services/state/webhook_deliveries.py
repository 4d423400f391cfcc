"""Deliveries of webhooks as who sends them sees them: spread from the feeds, leased, marked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.state.feeds import Position
from services.state.pool import Statements


class Listener(NamedTuple):
    """An endpoint that is to be told, and of what; an empty filter leaves nothing out."""

    id: UUID
    kinds: Collection[str]
    bands: Collection[str]
    severities: Collection[str]
    made_at: datetime


class Message(NamedTuple):
    """A message to an endpoint."""

    endpoint: UUID
    id: str
    kind: str
    subject: str
    body: str


class Stale(NamedTuple):
    """Scores of a subject that an endpoint need not hear any more, all but this message."""

    endpoint: UUID
    subject: str
    but: str


class Lease(NamedTuple):
    """A delivery that is ours to send until the lease ends."""

    id: int
    endpoint: UUID
    attempt: int
    """Counted from 1; the lease is ours as long as the row says the same."""
    message: str
    body: str
    url: str
    secrets: Sequence[str]
    """The newest first."""


class Mark(NamedTuple):
    """What became of an attempt."""

    id: int
    attempt: int
    state: str
    next_at: datetime
    outcome: str
    status: int | None
    answer: str


class Health(NamedTuple):
    """How attempts at an endpoint went."""

    endpoint: UUID
    healthy: bool
    failures: int
    jitter: float
    rest_until: datetime | None
    """It asked to be left alone until then."""


class Rests(NamedTuple):
    """When endpoints rest: after so many failures in a row for so long, doubled with each, up to a bound."""

    failures: int
    first: timedelta
    longest: timedelta


class DeliveryTables:
    """The statements of `webhook_delivery` and of what is known of endpoints by sending."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def lead(self, feed: str) -> Position | None:
        """Where the feed stands, held until the transaction ends; None when another process leads it."""
        row = await self._say.row("lead_webhook_feed", feed)
        if row is None and await self._say.row("feed_position", feed) is None:
            await self._say.run("begin_webhook_feed", feed)
            row = await self._say.row("lead_webhook_feed", feed)
        return None if row is None else Position(*row)

    async def listeners(self) -> list[Listener]:
        """Every endpoint that is enabled."""
        return [Listener(*row) for row in await self._say.rows("webhook_listeners")]

    async def supersede(self, stale: Sequence[Stale]) -> None:
        """Let scores that later ones took the place of wait no more."""
        await self._say.run("supersede_webhook_scores", *map(list, zip(*stale, strict=True)))

    async def spread(self, messages: Sequence[Message], *, at: datetime) -> int:
        """Let messages go, each once to an endpoint; how many are new."""
        return await self._say.run("spread_webhook_messages", *map(list, zip(*messages, strict=True)), at)

    async def lease(self, *, limit: int, each: int, now: datetime, until: datetime) -> list[Lease]:
        """Take what is due, at most so many in all and at once of an endpoint."""
        return [Lease(*row) for row in await self._say.rows("lease_webhook_deliveries", now, limit, each, until)]

    async def mark(self, marks: Sequence[Mark], *, at: datetime) -> None:
        """Keep what became of attempts."""
        await self._say.run("mark_webhook_deliveries", at, *map(list, zip(*marks, strict=True)))

    async def mark_endpoints(self, healths: Sequence[Health], rests: Rests, *, at: datetime) -> None:
        """Keep how endpoints are."""
        await self._say.run("mark_webhook_endpoints", at, *map(list, zip(*healths, strict=True)), *rests)

    async def give_up(
        self, *, gone: Collection[UUID], failing: Collection[UUID], failing_before: datetime
    ) -> list[tuple[UUID, str]]:
        """Disable endpoints that are gone, and those of the failing that have failed since then; which, and why."""
        rows = await self._say.rows("give_up_webhook_endpoints", list(gone), list(failing), failing_before)
        return [(row["id"], row["reason"]) for row in rows]

    async def note(self, endpoint: UUID, what: str, *, by: str, at: datetime) -> None:
        """Keep who did what to an endpoint."""
        await self._say.run("note_webhook_change", endpoint, at, by, what)

    async def by_state(self) -> dict[str, int]:
        """How many endpoints there are, by how they are."""
        return {row["state"]: row["endpoints"] for row in await self._say.rows("count_webhooks_by_state")}
