"""The peer framework: Quix Streams with a batching sink that runs the same pipeline."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread

from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

from bench.contender import Lanes, cut, open_pipeline, settle_garbage
from schemas.topics import EVENTS
from services.aggregator.counting.pipeline import Pipeline
from services.infra.kafka import log_ends
from services.infra.settings import Settings


class Written:
    """One record as the sink's batch holds it, in the names of the pipeline."""

    __slots__ = ("headers", "key", "offset", "timestamp", "value")

    def __init__(self, item: object) -> None:
        self.offset: int = item.offset  # type: ignore[attr-defined]  # quixstreams' SinkItem
        self.timestamp: int = item.timestamp  # type: ignore[attr-defined]
        self.key: bytes = item.key  # type: ignore[attr-defined]
        self.value: bytes = item.value  # type: ignore[attr-defined]
        self.headers = ()


class PipelineSink(BatchingSink):
    """Runs each partition's batch through the pipeline; Quix waits for it before it commits."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._pipeline: Pipeline | None = None
        self._position: dict[int, int] = {}

    def setup(self) -> None:
        Thread(target=self._loop.run_forever, daemon=True).start()
        self._pipeline = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    async def _open(self) -> Pipeline:
        found = await log_ends(self._settings.kafka, [EVENTS])
        ends = {part: end for (_, part), (_, end) in found.items()}
        self._position = dict.fromkeys(ends, 0)
        return await open_pipeline(self._settings, ends)

    def write(self, batch: SinkBatch) -> None:
        raise NotImplementedError("flush() takes all partitions at once")

    def flush(self) -> None:
        """Give every partition's batch to the lanes at once; Quix commits after this returns."""
        batches = {part: [Written(item) for item in batch] for (_, part), batch in self._batches.items()}
        try:
            asyncio.run_coroutine_threadsafe(self._write(batches), self._loop).result()
        finally:
            self._batches.clear()

    async def _write(self, batches: Mapping[int, Sequence[Written]]) -> None:
        if self._pipeline is None:
            raise RuntimeError("setup() comes first")
        lanes = Lanes(self._pipeline, lanes=self._settings.aggregator.lanes)
        for part, records in batches.items():
            size = self._settings.aggregator.chunk_events_max
            for chunk in cut(part, records, first=self._position[part], size=size):
                await lanes.put(chunk)
                self._position[part] = chunk.next
        await lanes.drain()


def run(settings: Settings) -> None:
    """Consume the topic; the bench ends the process from outside."""
    partitions, size = settings.kafka.partitions, settings.aggregator.chunk_events_max
    app = Application(
        broker_address=settings.kafka.bootstrap,
        consumer_group="bench-quix",
        auto_offset_reset="earliest",
        commit_interval=0.5,
        commit_every=partitions * size,
        state_dir=Path(os.environ["BENCH_DIRECTORY"]) / "quix",
        auto_create_topics=False,
        loglevel="WARNING",
        consumer_extra_config={
            "queued.max.messages.kbytes": 65536,
            "fetch.message.max.bytes": settings.aggregator.fetch_bytes,
        },
    )
    topic = app.topic(EVENTS, value_deserializer="bytes", key_deserializer="bytes")
    app.dataframe(topic).sink(PipelineSink(settings))
    app.run()


if __name__ == "__main__":
    settle_garbage()
    run(Settings())
