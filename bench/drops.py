"""What looking for drops costs the worker's processor: the bench's events with alerts, and with nobody who looks.

In process, on a real database and without a log. Each run is a process of its own, and the runs take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final

from pydantic import SecretStr

from bench.contender import cut, settle_garbage
from bench.promises import PARTITIONS, Nowhere, records
from bench.report import publish, working_directory
from services.aggregator.counting import counter
from services.aggregator.counting.alerting import NOTHING_HAPPENED, Touch
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.counting.telling_alerts import Step
from services.aggregator.processor import Bounds
from services.embedded.postgres import EmbeddedPostgres
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.migrations import migrate

CHUNK: Final = 6000
RUNS: Final = ("without", "with")


def nothing(*_: object) -> Touch:
    """Nobody asks what happened."""
    return NOTHING_HAPPENED


async def nobody(*_: object) -> Sequence[Step]:
    """Nobody looks."""
    return ()


async def measure(name: str, count: int, folder: Path) -> float:
    """Microseconds of this process an event, of the latter half of the events: by then customers have histories."""
    if name == "without":
        vars(counter).update(touch_of=nothing, look=nobody)
    server = EmbeddedPostgres(folder / "postgres")
    server.start()
    try:
        await migrate(server.dsn)
        store = await Database.open(PostgresSettings(dsn=SecretStr(server.dsn)), lanes=1)
        clock = SystemClock()
        pipeline = await Pipeline.on(store, Nowhere(), load_catalogue(), cache_rows_max=4_000_000, clock=clock)
        await pipeline.take_ownership(dict.fromkeys(PARTITIONS, Bounds(0, 1 << 40)))
        chunks = cut(0, records(count, named=True), first=0, size=CHUNK)
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
    command = [sys.executable, "-W", "ignore", "-m", "bench.drops", "--events", str(count), "--one", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Print the figures of all runs, and the median of their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", choices=RUNS, help="measure this one here and print it")
    arguments = parser.parse_args()
    if arguments.one:
        with working_directory() as folder:
            sys.stdout.write(f"{asyncio.run(measure(arguments.one, arguments.events, folder))}\n")
        return
    found: dict[str, list[float]] = {name: [] for name in RUNS}
    for _ in range(arguments.runs):
        for name, figures in found.items():
            figures.append(round(run(name, arguments.events), 2))
    ratio = round(median(one / other for one, other in zip(found["with"], found["without"], strict=True)), 3)
    publish({"us_per_event": found, "ratio": ratio, "events": arguments.events}, path=arguments.json)


if __name__ == "__main__":
    main()
