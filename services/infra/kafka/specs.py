"""What each topic must be, as data; the reasons stand beside the figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.topics import (
    ALERTS,
    DAY_MS,
    DEAD_RETENTION_MS,
    DLQ,
    EVENTS,
    LATE,
    RETENTION_MS,
    SCORES,
    TOMBSTONE_MS,
)
from services.infra.settings import KafkaSettings

ERASE_LAG_MS: Final = DAY_MS
"""An erased person's old states are gone from a compacted topic within a day."""

MESSAGE_BYTES_MAX: Final = 1024 * 1024
"""A produced batch is 128 KiB, a dead letter at most 256 KiB: room without letting one record fill a fetch."""

_COMMON: Final = {
    # A client's clock must never decide what retention deletes (a time in the future would block it).
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": str(MESSAGE_BYTES_MAX),
    # The broker keeps batches as they came: another codec here makes it compress each of them anew.
    "compression.type": "producer",
    # A replica that missed acknowledged records must never lead.
    "unclean.leader.election.enable": "false",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicSpec:
    """A topic's name and the settings that carry the promises."""

    name: str
    configs: Mapping[str, str]

    def wanted(self, settings: KafkaSettings) -> dict[str, str]:
        """Tell every setting the topic must have on this cluster."""
        return {**_COMMON, **self.configs, "min.insync.replicas": str(settings.min_insync)}


def _kept_for(name: str, retention_ms: int) -> TopicSpec:
    return TopicSpec(name=name, configs={"cleanup.policy": "delete", "retention.ms": str(retention_ms)})


TOPIC_SPECS: Final = (
    _kept_for(EVENTS, RETENTION_MS),
    _kept_for(LATE, RETENTION_MS),
    TopicSpec(
        name=SCORES,
        configs={
            "cleanup.policy": "compact",
            "max.compaction.lag.ms": str(ERASE_LAG_MS),
            "delete.retention.ms": str(TOMBSTONE_MS),
        },
    ),
    _kept_for(ALERTS, RETENTION_MS),
    _kept_for(DLQ, DEAD_RETENTION_MS),
)
