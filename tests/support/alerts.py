"""Alerts for tests, as workers leave them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from tests.support.clocks import NOON


class Raised(NamedTuple):
    """An alert to be put into the database."""

    number: int
    """Of which its id is made."""
    customer: str = "customer:c1"
    account: str | None = None
    rule: str = "drop"
    severity: str = "warning"
    state: str = "open"
    opened_at: datetime = NOON
    score_before: float = 60.0
    score: float = 40.0
    leaves: Sequence[tuple[str, str, str]] = (("delivery.delivered", "delivery", "carrier/swift"),)
    """Touchpoint, channel and place of its reasons."""

    @property
    def id(self) -> UUID:
        return alert_id(self.number)


def alert_id(number: int) -> UUID:
    return UUID(f"00000000-0000-4000-8000-{number:012d}")


@asynccontextmanager
async def owner_of(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection as the database's owner."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def raise_alerts(dsn: str, alerts: Sequence[Raised]) -> None:
    """Put alerts into a database, with their people."""
    async with owner_of(dsn) as connection:
        for one in alerts:
            person = None if one.account is not None else await _person(connection, one)
            await connection.execute(
                "INSERT INTO alert (id, rule, person, account, severity, state, opened_at, changed_at, closed_at,"
                " score_before, score, tipped_source, tipped_event, reasons)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, 'shop', $11, $12)",
                *(one.id, one.rule, person, one.account, one.severity, one.state, one.opened_at),
                None if one.state == "open" else one.opened_at,
                *(one.score_before, one.score, f"e{one.number}", json.dumps([_reason(leaf) for leaf in one.leaves])),
            )


async def close_alerts(dsn: str, alerts: Sequence[UUID], *, at: datetime) -> None:
    """Let the rule have closed alerts."""
    async with owner_of(dsn) as connection:
        await connection.execute(
            "UPDATE alert SET state = 'closed', closed_at = $2, changed_at = $2 WHERE id = ANY($1)", list(alerts), at
        )


async def _person(connection: asyncpg.Connection, one: Raised) -> int:
    """Make the person, unless there is one, with the score that the alert tells."""
    known: int | None = await connection.fetchval("SELECT person FROM identity WHERE value = $1", one.customer)
    if known is not None:
        return known
    person: int = await connection.fetchval("SELECT nextval('identity_id')")
    await connection.execute("INSERT INTO identity (id, value, person) VALUES ($1, $2, $1)", person, one.customer)
    await connection.execute("INSERT INTO person (id, version, score) VALUES ($1, 1, $2)", person, one.score)
    return person


def _reason(leaf: tuple[str, str, str]) -> dict[str, object]:
    touchpoint, channel, place = leaf
    events = [{"source": "shop", "id": "e1"}]
    where = {"touchpoint": touchpoint, "channel": channel, "place": place}
    return {**where, "stage": "fulfilment", "category": "process", "points": -12.5, "events": events}
