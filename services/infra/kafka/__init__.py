"""The log: topics, durable appends, and where its ends are."""

from __future__ import annotations

from services.infra.kafka.admin import LogWatch, apply_topics, check_topics, group_offsets, log_ends
from services.infra.kafka.breaker import Breaker
from services.infra.kafka.connection import FORBIDDEN, admitted, check_group, encryption, forbidden
from services.infra.kafka.producer import LogProducer, LogRecord
from services.infra.kafka.specs import TOPIC_SPECS, TopicSpec

__all__ = [
    "FORBIDDEN",
    "TOPIC_SPECS",
    "Breaker",
    "LogProducer",
    "LogRecord",
    "LogWatch",
    "TopicSpec",
    "admitted",
    "apply_topics",
    "check_group",
    "check_topics",
    "encryption",
    "forbidden",
    "group_offsets",
    "log_ends",
]
