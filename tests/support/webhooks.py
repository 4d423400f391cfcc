"""Webhooks over a real database, stepped by a test under a clock of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from pydantic import SecretStr

from services.api.webhooks import new_secret
from services.infra.egress.gate import Gate
from services.infra.settings import PostgresSettings
from services.outbound.webhooks.sender import IDLE_S, Parts, Sender
from services.outbound.webhooks.spreading import Spreading
from services.state.outbound import OutboundDatabase
from services.state.pool import Statements
from services.state.roles import OUTBOUND
from services.state.webhooks import EndpointChange, WebhookTables
from tests.support.clocks import StandingClock
from tests.support.databases import as_role
from tests.support.receivers import LOOPBACK, Names, way_of

LONG_AGO = datetime.fromisoformat("2020-01-01T00:00:00Z")

ALERT = {
    "alert": "00000000-0000-4000-8000-000000000001",
    "rule": "drop",
    "customer": "customer:c1",
    "severity": "critical",
    "state": "opened",
    "opened_at": "2026-03-01T11:00:00Z",
    "changed_at": "2026-03-01T11:00:00Z",
    "score_before": 61.5,
    "score": 31.0,
    "tipped": {"source": "shop", "id": "e1"},
    "reasons": [],
    "model_version": "m1",
}


@dataclass
class Hooks:
    """What spreads and what sends, without their tasks."""

    spreading: Spreading
    sender: Sender
    clock: StandingClock

    async def settle(self) -> None:
        """Go on until nothing is left to do at this time."""
        busy = True
        while busy:
            spread = await self.spreading.round()
            sent = await self.sender.round()
            busy = spread < IDLE_S or sent < IDLE_S

    async def later(self, by: timedelta) -> None:
        """Let time go on, and do what is due then."""
        self.clock.at += by
        await self.settle()


@asynccontextmanager
async def hooks_on(dsn: str, clock: StandingClock, *, resolver: Names | None = None) -> AsyncIterator[Hooks]:
    """Webhooks as the outbound role sees them, which may go to this machine."""
    database = OutboundDatabase(
        PostgresSettings(dsn=SecretStr(as_role(dsn, OUTBOUND)), connections_max=4), application="tactus-tests"
    )
    way = way_of(resolver)
    gate = Gate(way.resolver, http=True, allowed=LOOPBACK)
    sender = Sender(Parts(database, gate, way, clock, lambda: 0.0))
    hooks = Hooks(Spreading(database, clock, spread=sender.wake), sender, clock)
    try:
        await hooks.settle()  # the feeds begin here
        yield hooks
    finally:
        await hooks.sender.stop()
        await database.close()


async def make_endpoint(owner: asyncpg.Connection, url: str, **filters: list[str]) -> tuple[UUID, str]:
    """Make an endpoint, as the API does; its id and its secret."""
    endpoint, secret = uuid4(), new_secret()
    kinds, bands, severities = (filters.get(name, []) for name in ("kinds", "bands", "severities"))
    wanted = EndpointChange(url, "", kinds, bands, severities)
    await WebhookTables(Statements(owner)).make(endpoint, wanted, secret=secret, at=LONG_AGO)
    return endpoint, secret


async def put_alert(owner: asyncpg.Connection, *, topic: str = "cx.alerts.v1", **changed: Any) -> None:  # noqa: ANN401 - JSON
    """Put a step of an alert into the outbox, as a worker does."""
    value = json.dumps({**ALERT, **changed}).encode()
    await owner.execute("INSERT INTO outbox (topic, key, value) VALUES ($1, 'customer:c1', $2)", topic, value)


async def deliveries(owner: asyncpg.Connection) -> list[asyncpg.Record]:
    """All deliveries, the oldest first."""
    return await owner.fetch("SELECT * FROM webhook_delivery ORDER BY id")
