"""The peer within Faust: its own take(), which gathers records one by one, around the same pipeline."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import faust
from faust.types import EventT, StreamT

from bench.contender import Lanes, cut, open_pipeline, settle_garbage
from schemas.topics import EVENTS
from services.aggregator.processor import Record
from services.infra.kafka import log_ends
from services.infra.settings import Settings

WITHIN_S = 0.2


class Taken:
    """One record as Faust hands it over, in the names of the pipeline."""

    __slots__ = ("headers", "key", "offset", "timestamp", "value")

    def __init__(self, event: EventT[bytes]) -> None:
        message = event.message
        self.offset = message.offset
        self.timestamp = int(message.timestamp * 1000)
        self.key = message.key
        self.value = message.value
        self.headers = ()


def create_app(settings: Settings) -> faust.App:
    """A stock app: per-record transport, `take` of as many records as our chunks have."""
    app = faust.App(
        "bench-take",
        broker=f"kafka://{settings.kafka.bootstrap}",
        store="memory://",
        topic_partitions=settings.kafka.partitions,
        broker_max_poll_records=settings.aggregator.chunk_events_max,
        stream_buffer_maxsize=settings.aggregator.chunk_events_max,
        broker_commit_interval=1.0,
        topic_disable_leader=True,
        web_enabled=False,
    )
    topic = app.topic(EVENTS, value_serializer="raw", key_serializer="raw", partitions=settings.kafka.partitions)

    @app.agent(topic)
    async def count(stream: StreamT[bytes]) -> None:
        ends = {part: end for (_, part), (_, end) in (await log_ends(settings.kafka, [EVENTS])).items()}
        pipeline = await open_pipeline(settings, ends)
        lanes = Lanes(pipeline, lanes=settings.aggregator.lanes)
        position = dict.fromkeys(ends, 0)
        size = settings.aggregator.chunk_events_max
        async for taken in stream.take_events(  # type: ignore[attr-defined]  # missing in Faust's interface
            size, within=WITHIN_S
        ):
            by_partition: defaultdict[int, list[Record]] = defaultdict(list)
            for event in taken:
                by_partition[event.message.partition].append(Taken(event))
            for part, records in by_partition.items():
                for chunk in cut(part, records, first=position[part], size=size):
                    await lanes.put(chunk)
                    position[part] = chunk.next
            if position == ends:
                await lanes.drain()
                # The bench ends the process from outside; what is measured ends with the last commit.

    return app


if __name__ == "__main__":
    settle_garbage()
    os.environ.setdefault("FAUST_DATADIR", str(Path(os.environ["BENCH_DIRECTORY"]) / "faust"))
    faust.Worker(create_app(Settings()), loglevel="warning").execute_from_commandline()
