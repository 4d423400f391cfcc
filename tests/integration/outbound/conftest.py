"""A worker's pipeline and the topics' followers, on a fresh database and a broker whose topics are this test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.topics import ALERTS, SCORES
from services.embedded.kafka import EmbeddedKafka
from services.infra.kafka import FencedProducer, apply_topics
from services.infra.settings import KafkaSettings, PostgresSettings
from services.outbound.feed.batch import Reading
from services.outbound.feed.changed_scores import ChangedScores
from services.outbound.feed.publishing import Publishing
from services.state.outbound import OutboundDatabase
from services.state.roles import OUTBOUND
from tests.integration.aggregator.counting.conftest import OpenPipeline, open_pipeline
from tests.support.databases import as_role
from tests.support.logs_of_kafka import administration
from tests.support.waiting import eventually

__all__ = ["OpenPipeline", "open_pipeline"]

OpenFeed = Callable[..., Awaitable[Publishing]]


@pytest.fixture
async def topics(kafka: EmbeddedKafka) -> str:
    """A broker with empty topics."""
    settings = KafkaSettings(bootstrap=kafka.bootstrap)
    async with administration(kafka.bootstrap) as admin:
        present = set(await admin.list_topics()) & {SCORES, ALERTS}
        if present:
            await admin.delete_topics(sorted(present))

        async def gone() -> bool:
            return not set(await admin.list_topics()) & {SCORES, ALERTS}

        await eventually(gone, what="the topics are gone")
    await apply_topics(settings)
    return kafka.bootstrap


@pytest.fixture
async def outbound(postgres_dsn: str) -> AsyncIterator[OutboundDatabase]:
    """The database as the outbound process may use it."""
    opened = OutboundDatabase(PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, OUTBOUND))), application="test")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def open_feed(topics: str, outbound: OutboundDatabase) -> AsyncIterator[OpenFeed]:
    """Make publishers, each of a holder of its own; a test steps them."""
    made: list[Publishing] = []

    async def open_one(reading: Reading | None = None, *, lease_s: float = 600) -> Publishing:
        reading = reading or ChangedScores()
        producer = FencedProducer(KafkaSettings(bootstrap=topics), name=f"test-{reading.feed}", deadline_s=30)
        made.append(Publishing(outbound, producer, reading, holder=uuid4(), lease_s=lease_s))
        return made[-1]

    yield open_one
    for one in made:
        await one.stop()


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may do everything."""
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


async def drained(feed: Publishing) -> None:
    """Step until nothing is left to publish."""
    idle = 0
    while idle < 1:
        idle = int(await feed.step() > 0)
