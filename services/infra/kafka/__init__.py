"""The log: topics, durable appends, and where its ends are."""

from __future__ import annotations

from services.infra.kafka.admin import LogWatch, apply_topics, check_topics, group_offsets, log_ends, topic_bytes_max
from services.infra.kafka.breaker import Breaker
from services.infra.kafka.connection import FORBIDDEN, admitted, check_group, encryption, forbidden
from services.infra.kafka.delivery import LogRecord
from services.infra.kafka.fenced import FencedProducer, TopicRecord
from services.infra.kafka.limits import TopicLimits
from services.infra.kafka.marks import KafkaLog, mark_of, read_marks
from services.infra.kafka.producer import LogProducer
from services.infra.kafka.specs import TOPIC_SPECS, TopicSpec
from services.infra.kafka.tail import TailRecord, tail

__all__ = [
    "FORBIDDEN",
    "TOPIC_SPECS",
    "Breaker",
    "FencedProducer",
    "KafkaLog",
    "LogProducer",
    "LogRecord",
    "LogWatch",
    "TailRecord",
    "TopicLimits",
    "TopicRecord",
    "TopicSpec",
    "admitted",
    "apply_topics",
    "check_group",
    "check_topics",
    "encryption",
    "forbidden",
    "group_offsets",
    "log_ends",
    "mark_of",
    "read_marks",
    "tail",
    "topic_bytes_max",
]
