"""What a running stack has stored, once it has dealt with all that it took."""

from __future__ import annotations

import asyncpg

from schemas.topics import EVENT_TOPICS
from services.client.connection import Connection
from services.demo.demonstration import read_outcomes
from services.infra.kafka import log_ends
from services.infra.settings import KafkaSettings
from tests.support.waiting import eventually


async def settled(connection: Connection) -> int:
    """The log's length, once every record in it has been dealt with."""

    async def length() -> int | None:
        ends = await log_ends(KafkaSettings(bootstrap=connection.kafka), EVENT_TOPICS)
        in_log = sum(end - earliest for earliest, end in ends.values())
        outcomes = await read_outcomes(connection.metrics["api"][0])
        return in_log if outcomes.total == in_log else None

    return await eventually(length, what="every record is dealt with")


async def stored(connection: Connection, source: str) -> list[asyncpg.Record]:
    """The touchpoints of a source."""
    database = await asyncpg.connect(connection.postgres)
    try:
        return await database.fetch(
            "SELECT event_id, identity, touchpoint, occurred_at FROM touchpoint WHERE source = $1", source
        )
    finally:
        await database.close()
