"""Watch from outside how far the log and the store have come, and how long each fault held them up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

import asyncpg
from confluent_kafka import Consumer, KafkaException, TopicPartition

TOPICS: Final = ("cx.touchpoints.v1", "cx.touchpoints.late.v1", "cx.touchpoints.dlq.v1")
PARTITIONS: Final = 8
SAMPLE_S: Final = 0.25
TIMEOUT_S: Final = 3.0

Positions = dict[tuple[str, int], int]


class Outage(NamedTuple):
    """A fault that is not over until everything logged before it is counted."""

    kind: str
    since: float
    marks: Positions


class Watch:
    """Samples the log's ends and the store's positions; both may be away."""

    def __init__(self, *, bootstrap: str, dsn: str) -> None:
        self._bootstrap = bootstrap
        self._dsn = dsn
        self._reader: Consumer | None = None
        self.ends: Positions = {}
        self.next: Positions = {}
        self.open: list[Outage] = []
        self.recovered: dict[str, list[float]] = {}

    def note(self, kind: str) -> None:
        """A fault was injected now."""
        self.open.append(Outage(kind, time.monotonic(), dict(self.ends)))

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            await self.sample()
            await asyncio.sleep(SAMPLE_S)

    async def sample(self) -> bool:
        """Look once; whether both parts answered."""
        try:
            self.ends = await asyncio.to_thread(self._read_ends)
            self.next = await self._read_next()
        except (
            KafkaException,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
            OSError,
            TimeoutError,
        ):
            return False
        now = time.monotonic()
        for outage in list(self.open):
            if reached(self.next, outage.marks):
                self.open.remove(outage)
                self.recovered.setdefault(outage.kind, []).append(round(now - outage.since, 2))
        return True

    async def caught_up(self) -> bool:
        """Whether every record of the log is counted."""
        return await self.sample() and reached(self.next, self.ends)

    def behind(self) -> dict[str, str]:
        """Of each partition that is not counted to its end, how far it has come."""
        return {
            f"{topic}/{part}": f"{self.next.get((topic, part), 0)} of {end}"
            for (topic, part), end in self.ends.items()
            if self.next.get((topic, part), 0) < end
        }

    def _read_ends(self) -> Positions:
        if self._reader is None:
            self._reader = Consumer({"bootstrap.servers": self._bootstrap, "group.id": "tactus-watch", "log_level": 0})
        return {
            (topic, part): self._reader.get_watermark_offsets(TopicPartition(topic, part), timeout=TIMEOUT_S)[1]
            for topic in TOPICS
            for part in range(PARTITIONS)
        }

    async def _read_next(self) -> Positions:
        store = await asyncpg.connect(self._dsn, timeout=TIMEOUT_S, command_timeout=TIMEOUT_S)
        try:
            return {
                (row[0], row[1]): row[2]
                for row in await store.fetch("SELECT topic, part, next FROM partition_progress")
            }
        finally:
            await store.close(timeout=TIMEOUT_S)


def reached(position: Mapping[tuple[str, int], int], marks: Mapping[tuple[str, int], int]) -> bool:
    """Whether each position is at its mark; a partition that nobody owns yet stands at 0."""
    return all(position.get(partition, 0) >= mark for partition, mark in marks.items())


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Count, least, median, 90th and 95th percentile and maximum; of nothing, only the count."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    ranks = {"min": 0, "p50": last // 2, "p90": round(0.9 * last), "p95": round(0.95 * last), "max": last}
    return {"n": len(ordered), **{name: ordered[rank] for name, rank in ranks.items() if ordered}}
