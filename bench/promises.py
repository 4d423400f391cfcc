"""What promises cost the worker's processor: the bench's events under a catalogue without them, and with them.

In process, on a real database and without a log. Each run is a process of its own, and the runs take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from pydantic import SecretStr

from bench import load
from bench.contender import cut, settle_garbage
from bench.report import publish, working_directory
from schemas.topics import DLQ, EVENT_TOPICS, EVENTS, Partition
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.core.catalogue import Catalogue
from services.core.promise_kinds import NO_PROMISES
from services.embedded.postgres import EmbeddedPostgres
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.migrations import migrate

CHUNK: Final = 6000
PARTITIONS: Final = [(topic, 0) for topic in (*EVENT_TOPICS, DLQ)]

RUNS: Final = {
    "unnamed_without": (False, False),
    "unnamed": (True, False),
    "named_without": (False, True),
    "named": (True, True),
}
"""Whether the catalogue has promises, and whether the events name their orders."""


class Record(NamedTuple):
    """A record as the log would hand it over."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Nowhere:
    """A log that nobody reads: it ends where the bench says."""

    async def ends(self) -> Mapping[Partition, tuple[int, int]]:
        return dict.fromkeys(PARTITIONS, (0, 1 << 40))

    async def marks(self, offsets: Mapping[Partition, int]) -> Mapping[Partition, int | None]:
        return dict.fromkeys(offsets)


def catalogue_of(*, promises: bool) -> Catalogue:
    """The product's catalogue, or the same without any promise and with nothing that counts once."""
    product = load_catalogue()
    if promises:
        return product
    entries = {name: replace(entry, once="") for name, entry in product.entries.items()}
    return replace(product, entries=entries, promises=NO_PROMISES)


def records(count: int, *, named: bool) -> Iterator[Record]:
    """The bench's events by a server's key; orders and deliveries, one in nine, name an order of their customer."""
    now = datetime.now(UTC)
    for place, (key, value) in enumerate(load.events(count, now=now)):
        event = json.loads(value)
        event["keykind"] = "server"
        data = event["data"]
        if data["touchpoint"] in {"order.completed", "delivery.delivered"}:
            due = datetime.fromisoformat(event["time"]) + timedelta(days=3)
            said = {"promised_at": load.stamp(due)} if data["touchpoint"] == "order.completed" else {}
            data["properties"] |= said if named else {}
            data |= {"order": f"{key.decode()[9:]}-{place % 3}"} if named else {}
        body = json.dumps(event, separators=(",", ":"), sort_keys=True).encode()
        yield Record(place, int(now.timestamp() * 1000), key, body)


async def measure(name: str, count: int, folder: Path) -> float:
    """Microseconds of this process an event, of the latter half of the events: by then customers have histories."""
    promises, named = RUNS[name]
    server = EmbeddedPostgres(folder / "postgres")
    server.start()
    try:
        await migrate(server.dsn)
        store = await Database.open(PostgresSettings(dsn=SecretStr(server.dsn)), lanes=1)
        catalogue = catalogue_of(promises=promises)
        pipeline = await Pipeline.on(store, Nowhere(), catalogue, cache_rows_max=4_000_000, clock=SystemClock())
        await pipeline.take_ownership(dict.fromkeys(PARTITIONS, Bounds(0, 1 << 40)))
        chunks = cut(0, records(count, named=named), first=0, size=CHUNK)
        settle_garbage()
        for chunk in islice(chunks, len(chunks) // 2):
            await pipeline.process(chunk)
        began = time.process_time()
        late = chunks[len(chunks) // 2 :]
        for chunk in late:
            await pipeline.process(chunk)
        spent = time.process_time() - began
        await pipeline.close()
        return spent / sum(len(chunk.records) for chunk in late) * 1e6
    finally:
        server.stop()


def run(name: str, count: int) -> float:
    """One measurement in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "bench.promises", "--events", str(count), "--one", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Print the figures of all runs, and their medians as ratios to the catalogue without promises."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", choices=[*RUNS], help="measure this one here and print it")
    arguments = parser.parse_args()
    if arguments.one:
        with working_directory() as folder:
            sys.stdout.write(f"{asyncio.run(measure(arguments.one, arguments.events, folder))}\n")
        return
    found: dict[str, list[float]] = {name: [] for name in RUNS}
    for _ in range(arguments.runs):
        for name, figures in found.items():
            figures.append(round(run(name, arguments.events), 2))
    ratios = {
        name: round(median(one / other for one, other in zip(found[name], found[f"{name}_without"], strict=True)), 3)
        for name in ("unnamed", "named")
    }
    publish({"us_per_event": found, "ratios": ratios, "events": arguments.events, "topic": EVENTS}, path=arguments.json)


if __name__ == "__main__":
    main()
