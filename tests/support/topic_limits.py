"""Change how large a record a topic takes, as an operator would, under whoever writes to it."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.infra.kafka import topic_bytes_max
from services.infra.settings import KafkaSettings
from tests.support.waiting import eventually


async def limit_topic(bootstrap: str, topic: str, bytes_max: int) -> None:
    """Return when the broker has the limit."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        wanted = {"max.message.bytes": str(bytes_max)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, wanted)])
    finally:
        await admin.close()

    async def is_changed() -> bool:
        return (await topic_bytes_max(KafkaSettings(bootstrap=bootstrap), [topic]))[topic] == bytes_max

    await eventually(is_changed, what="the broker has the limit")
