"""Kafka or Postgres is away: what is to be told waits, its age grows and can be seen, and all of it comes afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY

from schemas.topics import ALERTS, SCORES
from services.embedded.kafka import EmbeddedKafka
from services.infra.errors import UnavailableError
from services.infra.kafka import FencedProducer, apply_topics
from services.infra.settings import KafkaSettings
from services.outbound.feed.changed_scores import ChangedScores
from services.outbound.feed.publishing import Publishing
from services.outbound.feed.waiting import Waiting
from services.state.outbound import OutboundDatabase
from tests.integration.outbound.conftest import OpenFeed, OpenPipeline, drained
from tests.support.counted_shop import Shop
from tests.support.followers import followed, in_postgres, themselves
from tests.support.places import data_directory
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

DEADLINE_S = 3.0


@pytest.fixture
def broker() -> Iterator[EmbeddedKafka]:
    """A broker of this test's own, to be ended."""
    with data_directory() as folder:
        own = EmbeddedKafka(folder)
        own.start()
        yield own
        own.stop()


@pytest.fixture
async def feed(broker: EmbeddedKafka, outbound: OutboundDatabase) -> AsyncIterator[Publishing]:
    settings = KafkaSettings(bootstrap=broker.bootstrap)
    await apply_topics(settings)
    producer = FencedProducer(settings, name="test-away", deadline_s=DEADLINE_S)
    made = Publishing(outbound, producer, ChangedScores(), holder=uuid4(), lease_s=600)
    yield made
    await made.stop()


def age_of(topic: str) -> float:
    return REGISTRY.get_sample_value("tactus_outbox_oldest_age_seconds", {"topic": topic}) or 0.0


async def test_while_kafka_is_away_rows_wait_and_their_age_grows(
    broker: EmbeddedKafka,
    feed: Publishing,
    outbound: OutboundDatabase,
    open_pipeline: OpenPipeline,
    postgres_dsn: str,
    database: asyncpg.Connection,
) -> None:
    shop, waiting = Shop(await open_pipeline()), Waiting(outbound)
    await shop.count(("customer:a",))
    await drained(feed)
    position = await database.fetchrow("SELECT xact, id FROM feed_position WHERE feed = 'scores'")
    broker.kill()
    await shop.count(("customer:a",), ("customer:b",))

    for _ in range(2):
        with pytest.raises(UnavailableError):
            await feed.step()

    assert await database.fetchrow("SELECT xact, id FROM feed_position WHERE feed = 'scores'") == position
    await waiting.step()
    seen = age_of(SCORES)
    assert seen > 0
    assert age_of(ALERTS) == 0
    await eventually_older(seen)
    broker.launch()
    broker.wait_ready()

    async def through() -> bool:
        try:
            await drained(feed)
        except UnavailableError:
            return False
        return True

    await eventually(through, what="the broker is back")
    assert themselves(followed(broker.bootstrap)) == await in_postgres(postgres_dsn)
    await waiting.step()
    assert age_of(SCORES) == 0


async def eventually_older(seen: float) -> None:
    """The age grows by itself, also while nobody can look."""

    async def older() -> bool:
        return age_of(SCORES) > seen

    await eventually(older, what="the age grows")


async def test_connections_that_postgres_ends_lose_nothing(
    topics: str, open_feed: OpenFeed, open_pipeline: OpenPipeline, postgres_dsn: str, database: asyncpg.Connection
) -> None:
    feed, shop = await open_feed(), Shop(await open_pipeline())
    await drained(feed)
    for number in range(3):
        await shop.count(("customer:a",), (f"customer:b{number}",))
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test' "
            "AND datname = current_database()"
        )

        async def through() -> bool:
            return await feed._background.round() == 0.1

        await eventually(through, what="everything is published")

    assert themselves(followed(topics)) == await in_postgres(postgres_dsn)
