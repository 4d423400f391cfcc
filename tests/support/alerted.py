"""Alerts and incidents as the workers and the outbound process write them, with few words."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from tests.support.clocks import NOON

SPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
LATE = {
    "touchpoint": "delivery.promise_missed",
    "channel": "delivery",
    "place": "store/12",
    "stage": "fulfilment",
    "category": "process",
    "points": -21.4,
    "events": [],
}
CALL = {**LATE, "touchpoint": "call.abandoned", "channel": "contact_centre", "place": "", "points": -8.1}
PAGE = {**LATE, "touchpoint": "web.page_slow", "channel": "web", "place": "", "points": -2.2}
CHAT = {**LATE, "touchpoint": "chat.first_response", "channel": "chat", "place": "", "points": -1.1}


def alert_id(name: str) -> UUID:
    return uuid5(SPACE, name)


def record(name: str = "a", state: str = "opened", *, at: datetime = NOON, **other: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A record of cx.alerts.v1, with the reasons out of their order."""
    return {
        "alert": str(alert_id(name)),
        "rule": "drop",
        "customer": f"customer:{name}",
        "severity": "critical",
        "state": state,
        "opened_at": at.isoformat(),
        "changed_at": at.isoformat(),
        "score_before": 71.2,
        "score": 38.4,
        "tipped": {"source": "shop/web", "id": "e1"},
        "reasons": [CALL, LATE, PAGE, CHAT],
        "model_version": "m1",
    } | other


class Alerts:
    """Writes what workers write."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def step(self, name: str = "a", state: str = "opened", *, at: datetime = NOON, **other: Any) -> None:  # noqa: ANN401 - JSON
        """Write a step of an alert, in one transaction as workers do."""
        said = record(name, state, at=at, **other)
        standing = {"closed": "closed", "withdrawn": "withdrawn"}.get(state, "open")
        async with self.connection.transaction():
            await self.connection.execute(
                "INSERT INTO alert (id, rule, person, severity, state, opened_at, changed_at, score_before, score, reasons)"
                " VALUES ($1, $2, 1, $3, $4, $5, $5, 71.2, 38.4, '[]')"
                " ON CONFLICT (id) DO UPDATE SET state = excluded.state, severity = excluded.severity",
                *(alert_id(name), said["rule"], said["severity"], standing, at),
            )
            await self.connection.execute(
                "INSERT INTO outbox (topic, key, value) VALUES ('cx.alerts.v1', $1, $2)",
                *(said.get("customer") or said["account"], json.dumps(said).encode()),
            )

    async def incident(
        self, name: str, *, people: int = 12, state: str = "open", at: datetime = NOON, alerts: tuple[str, ...] = ()
    ) -> UUID:
        """Write an incident along the channel `delivery`, and which alerts are part of it."""
        incident = alert_id(f"incident {name}")
        worst = [{"alert": str(alert_id(one)), "score_before": 71.2, "score": 38.4} for one in alerts]
        await self.connection.execute(
            "INSERT INTO incident (id, along, value, state, opened_at, changed_at, people, usual, worst)"
            " VALUES ($1, 'channel', 'delivery', $2, $3, $3, $4, 2, $5::jsonb)"
            " ON CONFLICT (id) DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at, people = excluded.people",
            *(incident, state, at, people, json.dumps(worst)),
        )
        for one in alerts:
            await self.connection.execute("UPDATE alert SET incident = $1 WHERE id = $2", incident, alert_id(one))
        return incident

    async def notifications(self) -> dict[tuple[str, UUID], asyncpg.Record]:
        """All of them, by route and alert."""
        rows = await self.connection.fetch("SELECT * FROM notification")
        return {(row["route"], row["about"]): row for row in rows}


MINUTE = timedelta(minutes=1)
