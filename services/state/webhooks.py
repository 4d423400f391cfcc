"""Webhooks as their owners see and change them. What signs is written here and never read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.state.pool import Statements

NEWEST: Final = 2**63 - 1
"""Behind every delivery."""


class EndpointRow(NamedTuple):
    """Who is told, of what, and how that goes."""

    id: UUID
    url: str
    description: str
    kinds: Sequence[str]
    bands: Sequence[str]
    severities: Sequence[str]
    state: str
    reason: str
    made_at: datetime
    failures: int
    failing_since: datetime | None
    resting_until: datetime | None
    waiting: int
    """Deliveries; a thousand are as many as are counted."""


class EndpointChange(NamedTuple):
    """What is to be another; None stays."""

    url: str | None = None
    description: str | None = None
    kinds: Sequence[str] | None = None
    bands: Sequence[str] | None = None
    severities: Sequence[str] | None = None
    state: str | None = None


class DeliveryRow(NamedTuple):
    """A message to an endpoint, and what became of it."""

    id: int
    message: str
    kind: str
    subject: str
    state: str
    attempts: int
    next_at: datetime
    at: datetime
    tried_at: datetime | None
    outcome: str | None
    status: int | None
    answer: str | None


class WebhookAudit(NamedTuple):
    """Who did what to an endpoint."""

    at: datetime
    by: str
    what: str


class WebhookTables:
    """The statements of `webhook_endpoint`, `webhook_secret`, `webhook_change` and, for owners, `webhook_delivery`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def endpoints(self, *, limit: int) -> list[EndpointRow]:
        """All endpoints, the oldest first."""
        return [EndpointRow(*row) for row in await self._say.rows("webhook_endpoints", None, limit)]

    async def endpoint(self, endpoint: UUID) -> EndpointRow | None:
        """One endpoint."""
        row = await self._say.row("webhook_endpoints", endpoint, 1)
        return None if row is None else EndpointRow(*row)

    async def count(self) -> int:
        """How many endpoints there are."""
        return int(await self._say.value("count_webhook_endpoints"))

    async def make(self, endpoint: UUID, wanted: EndpointChange, *, secret: str, at: datetime) -> None:
        """Make an endpoint with its first secret; everything of `wanted` but the state is said."""
        await self._say.run("make_webhook_endpoint", endpoint, *wanted[:-1], at)
        await self._say.run("make_webhook_secret", endpoint, secret, at)

    async def change(self, endpoint: UUID, change: EndpointChange) -> None:
        """Change an endpoint."""
        await self._say.run("change_webhook_endpoint", endpoint, *change)

    async def remove(self, endpoint: UUID) -> bool:
        """Remove an endpoint with all that waits for it; whether it was there."""
        return await self._say.run("remove_webhook_endpoint", endpoint) > 0

    async def rotate(self, endpoint: UUID, *, secret: str, at: datetime, former_until: datetime) -> None:
        """Sign by another secret from now on, and by the former one until then."""
        await self._say.run("forget_webhook_secrets", endpoint, at)
        await self._say.run("retire_webhook_secrets", endpoint, former_until)
        await self._say.run("make_webhook_secret", endpoint, secret, at)

    async def note(self, endpoint: UUID, what: str, *, by: str, at: datetime) -> None:
        """Keep who did what."""
        await self._say.run("note_webhook_change", endpoint, at, by, what)

    async def changes(self, endpoint: UUID, *, limit: int) -> list[WebhookAudit]:
        """Who did what, the newest first."""
        return [WebhookAudit(*row) for row in await self._say.rows("webhook_changes", endpoint, limit)]

    async def deliver(self, endpoint: UUID, *, message: str, kind: str, body: str, at: datetime) -> int:
        """Let a message about the endpoint itself go to it; its number."""
        return int(await self._say.value("make_webhook_delivery", endpoint, message, kind, str(endpoint), body, at))

    async def deliveries(self, endpoint: UUID, *, before: int, state: str | None, limit: int) -> list[DeliveryRow]:
        """The deliveries before one, the newest first."""
        return [DeliveryRow(*row) for row in await self._say.rows("webhook_deliveries", endpoint, before, state, limit)]

    async def delivery(self, endpoint: UUID, delivery: int) -> tuple[DeliveryRow, str] | None:
        """One delivery and its body."""
        row = await self._say.row("webhook_delivery", endpoint, delivery)
        if row is None:
            return None
        *told, body = row
        return DeliveryRow(*told), body

    async def replay(self, endpoint: UUID, delivery: int, *, at: datetime) -> bool:
        """Let a delivery go again, under its own id; not one that a later state has taken the place of."""
        return await self._say.run("replay_webhook_delivery", endpoint, delivery, at) > 0
