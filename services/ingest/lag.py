"""Show how far the aggregator is behind the log, from outside it: a stopped worker's lag must be seen."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final, Protocol

import structlog

from schemas.topics import DLQ, EVENT_TOPICS, GROUP
from services.infra.errors import UnavailableError
from services.infra.metrics import CONSUMER_LAG, LOG_RECORDS

log = structlog.get_logger(__name__)

EVERY_S: Final = 5.0
"""A third of Prometheus' usual interval; it costs the broker three requests."""

TOPICS: Final = (*EVENT_TOPICS, DLQ)

Partition = tuple[str, int]


class Ends(Protocol):
    """Where the log ends and where a group stands."""

    async def ends(self, topics: tuple[str, ...]) -> Mapping[Partition, tuple[int, int]]:
        """Tell the first offset and the end of every partition."""

    async def offsets(self, group: str) -> Mapping[Partition, int]:
        """Tell what the group has committed."""


async def watch_lag(ends: Ends) -> None:
    """Refresh the metrics for as long as the process lives."""
    while True:
        try:
            await measure(ends)
        except UnavailableError as error:
            log.warning("lag_unknown", reason=str(error))
        await asyncio.sleep(EVERY_S)


async def measure(ends: Ends) -> None:
    """Refresh the metrics once; raises UnavailableError."""
    bounds = await ends.ends(TOPICS)
    committed = await ends.offsets(GROUP)
    records: Counter[str] = Counter()
    for (topic, part), (first, end) in bounds.items():
        records[topic] += end
        behind = end - committed.get((topic, part), first)
        CONSUMER_LAG.labels(topic, str(part)).set(max(0, behind))
    LOG_RECORDS.set(records)
