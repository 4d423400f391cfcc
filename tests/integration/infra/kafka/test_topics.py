"""What topics must be, on a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.topics import EVENTS
from services.embedded.kafka import EmbeddedKafka
from services.infra.kafka import apply_topics, check_topics
from services.infra.settings import KafkaSettings
from tests.support.logs_of_kafka import administration

pytestmark = pytest.mark.integration


@pytest.fixture
async def admin(kafka: EmbeddedKafka) -> AsyncIterator[AIOKafkaAdminClient]:
    await apply_topics(KafkaSettings(bootstrap=kafka.bootstrap))
    async with administration(kafka.bootstrap) as made:
        yield made
        await made.alter_configs([ConfigResource(ConfigResourceType.TOPIC, EVENTS, configs={})])


async def test_a_topic_that_makes_the_broker_compress_is_told_with_its_fix(
    kafka: EmbeddedKafka, admin: AIOKafkaAdminClient
) -> None:
    settings = KafkaSettings(bootstrap=kafka.bootstrap)
    before = await check_topics(settings)
    zstd = ConfigResource(ConfigResourceType.TOPIC, EVENTS, configs={"compression.type": "zstd"})

    await admin.alter_configs([zstd])

    (line,) = [line for line in await check_topics(settings) if "compression.type" in line]
    assert not [line for line in before if "compression.type" in line]
    assert line == (
        f"{EVENTS}: compression.type is 'zstd', should be 'producer'; run "
        f"`kafka-configs.sh --alter --topic {EVENTS} --add-config compression.type=producer`"
    )
    assert line in (await apply_topics(settings)).differences
