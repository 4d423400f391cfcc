"""A worker that counts a file's lines as one partition, as a process that a test may kill: `… counting_process DSN FILE`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from schemas.topics import DLQ, EVENT_TOPICS, EVENTS
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.settings import PostgresSettings
from services.state.database import Database
from tests.support.chunks import chunk
from tests.support.clocks import StandingClock
from tests.support.said_log import END, SaidLog

CHUNK: Final = 5
AT_MS: Final = StandingClock().now_us() // 1000


async def count(dsn: str, values: list[bytes]) -> None:
    store = await Database.open(PostgresSettings(dsn=SecretStr(dsn)), lanes=2)
    worker = await Pipeline.on(store, SaidLog(store), load_catalogue(), cache_rows_max=1000, clock=SystemClock())
    next_of = await worker.take_ownership({(topic, 0): Bounds(0, END) for topic in (*EVENT_TOPICS, DLQ)})
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for first in range(next_of[EVENTS, 0], len(values), CHUNK):
        await worker.process(chunk(values[first : first + CHUNK], first=first, at_ms=AT_MS))
    await worker.close()


if __name__ == "__main__":
    asyncio.run(count(sys.argv[1], Path(sys.argv[2]).read_bytes().splitlines()))
