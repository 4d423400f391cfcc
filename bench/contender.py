"""What every contender shares: the pipeline, the chunk size, the settings, and how its process says it is done."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable, Mapping

from schemas.topics import EVENTS, Partition
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds, Chunk, Record
from services.infra.settings import Settings


def settle_garbage() -> None:
    """The worker's own setting, given to every contender alike."""
    gc.set_threshold(200_000, 50, 1000)


class Lanes:
    """Chunks of one partition one after another, of several partitions at once up to the number of lanes."""

    def __init__(self, pipeline: Pipeline, *, lanes: int) -> None:
        self._pipeline = pipeline
        self._lanes = asyncio.Semaphore(lanes)
        self._last: dict[Partition, asyncio.Task[None]] = {}

    async def put(self, chunk: Chunk) -> None:
        """Wait until the partition's former chunk is committed, then start this one."""
        partition = (chunk.topic, chunk.part)
        if partition in self._last:
            await self._last[partition]
        self._last[partition] = asyncio.create_task(self._run(chunk))

    async def drain(self) -> None:
        """Wait until everything put is committed."""
        await asyncio.gather(*self._last.values())

    async def _run(self, chunk: Chunk) -> None:
        async with self._lanes:
            await self._pipeline.process(chunk)


async def open_pipeline(settings: Settings, ends: Mapping[int, int]) -> Pipeline:
    """The pipeline, owning every partition of the events topic."""
    pipeline = await Pipeline.open(settings)
    await pipeline.take_ownership({(EVENTS, part): Bounds(0, end) for part, end in ends.items()})
    return pipeline


def cut(part: int, records: Iterable[Record], *, first: int, size: int) -> list[Chunk]:
    """Chunks of at most `size` records; offsets are dense."""
    run = list(records)
    chunks = []
    for start in range(0, len(run), size):
        piece = run[start : start + size]
        chunks.append(Chunk(EVENTS, part, first + start, first + start + len(piece), piece))
    return chunks
