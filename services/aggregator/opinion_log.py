"""The log, for what a worker itself has to say there: opened with the first word."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from schemas.topics import EVENT_TOPICS
from services.infra.kafka import LogProducer, TopicLimits, topic_bytes_max
from services.infra.settings import KafkaSettings

DEADLINE_S: Final = 10.0
"""Nobody waits for it; a log that is away for longer is tried again later."""

BUFFER_BYTES_MAX: Final = 4 * 1024 * 1024
"""Ten rounds of opinions."""

LOOK_S: Final = 0.05
"""How often it is looked whether a log that begins has begun."""


async def open_opinion_log(settings: KafkaSettings) -> LogProducer:
    """Open a producer of ours; it is returned at the deadline at the latest, and refuses records while the log is away."""
    producer = LogProducer(
        settings,
        topics=EVENT_TOPICS,
        limits=TopicLimits(partial(topic_bytes_max, settings, EVENT_TOPICS)),
        deadline_s=DEADLINE_S,
        buffer_bytes_max=BUFFER_BYTES_MAX,
        on_ack=lambda _seconds: None,
    )
    producer.open()
    for _look in range(round(DEADLINE_S / LOOK_S)):
        if producer.unready() is None:
            break
        await asyncio.sleep(LOOK_S)
    return producer
