"""What an event costs that a rebuild judges anew, beside one that a worker counts: wall, and CPU of process and server."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import psutil
from pydantic import SecretStr

from bench.load import events
from bench.report import publish, working_directory
from schemas.topics import DLQ, EVENT_TOPICS, EVENTS
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds, Chunk
from services.aggregator.rebuilding.building import Rebuilding
from services.aggregator.rebuilding.judging import Judge
from services.core.classes import NO_RULES
from services.core.valence import Const
from services.embedded.postgres import EmbeddedPostgres
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.migrations import migrate
from services.state.pool import connected
from services.state.rebuilding import RebuildTable

CHUNK_EVENTS: Final = 6000
"""What a busy worker takes at once."""

POSTGRES: Final = {"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}


class LogRecord(NamedTuple):
    """What a worker is handed."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class StillLog:
    """A log whose ends a worker may ask for."""

    async def ends(self) -> dict[tuple[str, int], tuple[int, int]]:
        return {(topic, 0): (0, 1 << 40) for topic in (*EVENT_TOPICS, DLQ)}

    async def marks(self, offsets: dict[tuple[str, int], int]) -> dict[tuple[str, int], int | None]:
        return dict.fromkeys(offsets)


class Meter:
    """Seconds of wall, of this process and of the server."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._began = self._now()

    def us_an_event(self, count: int) -> dict[str, float]:
        names = ("wall_us", "process_cpu_us", "postgres_cpu_us")
        spent = [now - then for now, then in zip(self._now(), self._began, strict=True)]
        return {name: round(seconds / count * 1e6, 1) for name, seconds in zip(names, spent, strict=True)}

    def _now(self) -> tuple[float, float, float]:
        times = [one.cpu_times() for one in psutil.Process(self._server.pid).children(recursive=True)]
        own = psutil.Process(self._server.pid).cpu_times()
        # Of backends that have ended, their parent knows.
        server = own.user + own.system + own.children_user + own.children_system
        return time.perf_counter(), time.process_time(), server + sum(one.user + one.system for one in times)


async def count_all(dsn: str, count: int, server: EmbeddedPostgres) -> dict[str, float]:
    """Count the events as a worker does, from memory."""
    catalogue, at = load_catalogue(None), datetime.now(UTC)
    store = await Database.open(PostgresSettings(dsn=SecretStr(dsn)), lanes=1)
    log = StillLog()
    worker = await Pipeline.on(store, log, catalogue, cache_rows_max=2_000_000, clock=SystemClock())  # type: ignore[arg-type]  # a dict is a mapping
    await worker.take_ownership({partition: Bounds(*ends) for partition, ends in (await log.ends()).items()})
    at_ms = int(at.timestamp() * 1000)
    records = [LogRecord(n, at_ms, key, value) for n, (key, value) in enumerate(events(count, now=at))]
    meter = Meter(server)
    for first in range(0, count, CHUNK_EVENTS):
        some = records[first : first + CHUNK_EVENTS]
        await worker.process(Chunk(EVENTS, 0, first, first + len(some), some))
    spent = meter.us_an_event(count)
    await worker.close()
    return spent


async def rebuild_all(dsn: str, count: int, server: EmbeddedPostgres) -> dict[str, float]:
    """Rebuild by a catalogue that judges one event in a hundred and more in another way, up to the swap and with it."""
    ours = load_catalogue(None)
    entry = replace(ours.entries["web.checkout_error"], valence=Const(-0.7))
    judge = Judge(replace(ours, entries={**ours.entries, "web.checkout_error": entry}), NO_RULES)
    async with connected(dsn, application="bench") as statements, connected(dsn, application="bench") as names:
        table = RebuildTable(statements)
        await table.claim()
        rebuilding = Rebuilding(statements, names, judge)
        meter = Meter(server)
        await table.begin("bench")
        await rebuilding.build(lambda _: None)
        await rebuilding.swap()
        return meter.us_an_event(count)


async def measure(count: int, server: EmbeddedPostgres) -> dict[str, object]:
    """Both, one after the other."""
    await migrate(server.dsn)
    counted = await count_all(server.dsn, count, server)
    sys.stderr.write(f"counted: {counted}\n")
    rebuilt = await rebuild_all(server.dsn, count, server)
    sys.stderr.write(f"rebuilt: {rebuilt}\n")
    cpu = [one["process_cpu_us"] + one["postgres_cpu_us"] for one in (counted, rebuilt)]
    return {
        "events": count,
        "counted": counted,
        "rebuilt": rebuilt,
        "wall_ratio": round(counted["wall_us"] / rebuilt["wall_us"], 2),
        "cpu_ratio": round(cpu[0] / cpu[1], 2),
    }


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--events", type=int, default=300_000)
    arguments = parser.parse_args()
    with working_directory() as folder:
        server = EmbeddedPostgres(folder / "postgres", settings=POSTGRES)
        server.start()
        try:
            figures = asyncio.run(measure(arguments.events, server))
        finally:
            server.stop()
    publish(figures, path=arguments.json)


if __name__ == "__main__":
    main()
