"""A log that says what a test wants: its ends, and what stands at an offset."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.topics import DLQ, EVENT_TOPICS, Partition
from services.aggregator.counting.ports import Store

PARTITIONS = 3
END = 1_000_000


class SaidLog:
    """Holds every record that was counted, unless `marked` says otherwise."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.bounds: dict[Partition, tuple[int, int]] = {
            (topic, part): (0, END) for topic in (*EVENT_TOPICS, DLQ) for part in range(PARTITIONS)
        }
        self.marked: dict[Partition, int | None] = {}

    async def ends(self) -> Mapping[Partition, tuple[int, int]]:
        return self.bounds

    async def marks(self, offsets: Mapping[Partition, int]) -> Mapping[Partition, int | None]:
        return {partition: await self._mark(partition) for partition in offsets}

    async def _mark(self, partition: Partition) -> int | None:
        if partition in self.marked:
            return self.marked[partition]
        position = await self._store.progress.position(partition)
        return position.mark.value if position and position.mark else None
