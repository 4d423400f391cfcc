"""Put a customer's events into a database, as the aggregator leaves them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

import asyncpg

from tests.reference.scoring import count

MICRO = 1_000_000


class Lived(NamedTuple):
    """One event as it is stored."""

    identity: str
    touchpoint: str
    occurred_at: datetime
    v: float
    q: float = 1.0
    channel: str = "web"
    place: str = ""
    source: str = "shop"
    event_id: str = ""
    data: Mapping[str, object] = MappingProxyType({})
    received_at: datetime | None = None
    """At once, when it is left out."""


async def store_person(
    dsn: str, events: Iterable[Lived], *, customer: str, version: int, model_version: str = "m1", as_of: int = 0
) -> None:
    """Store events, their tallies, and one person whose identities are all those that the events name."""
    events = list(events)
    connection = await asyncpg.connect(dsn)
    try:
        names = {customer, *(event.identity for event in events)}
        numbers = await _identities(connection, names, customer=customer)
        model = await connection.fetchval(
            "INSERT INTO model (version) VALUES ($1) ON CONFLICT (version) DO UPDATE SET version = excluded.version"
            " RETURNING id",
            model_version,
        )
        await connection.execute(
            "INSERT INTO person (id, version, model, as_of) VALUES ($1, $2, $3, $4)",
            numbers[customer],
            version,
            model,
            as_of,
        )
        leaves = await _leaves(connection, events)
        await _store_events(connection, events, numbers=numbers, leaves=leaves)
        await _store_tallies(connection, events, numbers=numbers, leaves=leaves)
    finally:
        await connection.close()


async def _identities(connection: asyncpg.Connection, names: Iterable[str], *, customer: str) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for name in [customer, *sorted(set(names) - {customer})]:
        numbers[name] = await connection.fetchval("SELECT nextval('identity_id')")
        await connection.execute(
            "INSERT INTO identity (id, value, person) VALUES ($1, $2, $3)", numbers[name], name, numbers[customer]
        )
    return numbers


async def _leaves(connection: asyncpg.Connection, events: Iterable[Lived]) -> dict[tuple[str, str, str], int]:
    return {
        leaf: await connection.fetchval(
            "INSERT INTO leaf (touchpoint, channel, place) VALUES ($1, $2, $3)"
            " ON CONFLICT (touchpoint, channel, place) DO UPDATE SET place = excluded.place RETURNING id",
            *leaf,
        )
        for leaf in {(e.touchpoint, e.channel, e.place): None for e in events}
    }


async def _store_events(
    connection: asyncpg.Connection,
    events: Iterable[Lived],
    *,
    numbers: Mapping[str, int],
    leaves: Mapping[tuple[str, str, str], int],
) -> None:
    for position, event in enumerate(events):
        event_id = event.event_id or f"e{position}"
        key = UUID(bytes=sha256(f"{event.source}\0{event_id}".encode()).digest()[:16])
        await connection.execute(
            "INSERT INTO touchpoint_row (occurred_at, received_at, key, identity, body_hash, leaf, v, q, source,"
            " event_id, body) VALUES ($1, $10, $2, $3, 0, $4, $5, $6, $7, $8, $9)",
            event.occurred_at,
            key,
            numbers[event.identity],
            leaves[event.touchpoint, event.channel, event.place],
            round(event.v * MICRO),
            round(event.q * MICRO),
            event.source,
            event_id,
            json.dumps({"id": event_id, "data": dict(event.data)}),
            event.received_at or event.occurred_at,
        )


async def _store_tallies(
    connection: asyncpg.Connection,
    events: Iterable[Lived],
    *,
    numbers: Mapping[str, int],
    leaves: Mapping[tuple[str, str, str], int],
) -> None:
    tallies: dict[tuple[int, int, int], list[int]] = {}
    for event in events:
        leaf = leaves[event.touchpoint, event.channel, event.place]
        key = (numbers[event.identity], leaf, int(event.occurred_at.timestamp()) // 3600)
        count(tallies.setdefault(key, [0] * 8), round(event.v * MICRO), round(event.q * MICRO))
    await connection.executemany(
        "INSERT INTO tally_row VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        [(*key, *tally) for key, tally in tallies.items()],
    )


async def store_person_of_many_leaves(dsn: str, *, customer: str, leaves: int, at: datetime) -> None:
    """Store a person that has lived one event at each of so many leaves that nobody declared, the older the higher."""
    connection = await asyncpg.connect(dsn)
    try:
        number = await connection.fetchval("SELECT nextval('identity_id')")
        await connection.execute("INSERT INTO identity (id, value, person) VALUES ($1, $2, $1)", number, customer)
        await connection.execute("INSERT INTO person (id, version) VALUES ($1, 1)", number)
        await connection.execute(
            "INSERT INTO leaf (touchpoint, channel, place)"
            " SELECT 'x.made_up_' || n, 'ch' || n % 1000, 'store/' || n % 5000 FROM generate_series(1, $1::int) AS n",
            leaves,
        )
        await connection.execute(
            "INSERT INTO tally_row SELECT $1, id, $2::int - id % 2000, 1, 1000000, 500000, 0, 250000, 0, 500000, 0"
            " FROM leaf WHERE touchpoint LIKE 'x.made_up_%'",
            number,
            int(at.timestamp()) // 3600,
        )
        await connection.execute(
            "INSERT INTO touchpoint_row (occurred_at, received_at, key, identity, body_hash, leaf, v, q, source,"
            " event_id, body) SELECT $2::timestamptz - (id % 2000) * interval '1 hour', $2, gen_random_uuid(), $1, 0, id,"
            " 500000, 1000000, 'web', 'e' || id, '{}' FROM leaf WHERE touchpoint LIKE 'x.made_up_%'",
            number,
            at,
        )
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
