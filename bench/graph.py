"""What an event costs that names somebody who hangs together with very many, beside one that names strangers."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import msgspec
import psutil
from pydantic import SecretStr

from bench.report import publish, working_directory
from schemas.topics import DLQ, EVENT_TOPICS, EVENTS, Partition
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds, Chunk
from services.core.persons import BOUNDS
from services.embedded.postgres import EmbeddedPostgres
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.migrations import migrate

AT_MS: Final = 1_780_315_200_000
LOAD_EVENTS: Final = 6000
"""A chunk while the graph is built: what a busy worker takes at once."""

GROUPS: Final = 1000
"""As many as events in a chunk: each of them is about another group."""

PARTITIONS: Final = [(topic, 0) for topic in (*EVENT_TOPICS, DLQ)]

Named = Sequence[str]


class Shape(NamedTuple):
    """A graph, the events that build it, and the events that add to it; `fresh` numbers what has not been seen."""

    name: str
    built_of: Callable[[int], Iterator[Named]]
    joining: Callable[[int], Named]


def chain(length: int) -> Iterator[Named]:
    """Every identity is named beside the last one."""
    for number in range(length):
        device, visitor = f"device:{number}", f"anonymous:c{number + number % 2}"
        yield [visitor, device] if number % 2 else [f"anonymous:c{number}", device]
        yield [f"anonymous:c{number + 1 + (number + 1) % 2}", device]


def groups(count: int) -> Iterator[Named]:
    """As many as may hang together, many times over."""
    for device in range(BOUNDS.peers - 1):
        for number in range(count):
            yield [f"anonymous:g{number}", f"device:g{number}-{device}"]


def within(fresh: int, count: int) -> Named:
    """Two devices of one of the groups."""
    devices = BOUNDS.peers - 1
    return [
        f"device:g{fresh % count}-{fresh // count % devices}",
        f"device:g{fresh % count}-{(fresh // count + 1) % devices}",
    ]


def shapes(hub: int, chain_of: int) -> list[Shape]:
    """What strangers with a public key can build, and a plain event to compare with."""
    return [
        Shape("one identity", lambda _: iter(()), lambda fresh: [f"anonymous:p{fresh}"]),
        Shape("two strangers", lambda _: iter(()), lambda fresh: [f"anonymous:s{fresh}", f"device:s{fresh}"]),
        Shape(
            f"a device of {hub:,} visitors",
            lambda _: ([f"anonymous:h{number}", "device:hub"] for number in range(hub)),
            lambda fresh: [f"anonymous:i{fresh}", "device:hub"],
        ),
        Shape(
            f"a device of {hub:,} customers",
            lambda _: ([f"customer:k{number}", "device:kiosk"] for number in range(hub)),
            lambda fresh: [f"customer:l{fresh}", "device:kiosk"],
        ),
        Shape(
            f"a customer of {hub:,} devices",
            lambda _: (["customer:hub", f"device:b{number}"] for number in range(hub)),
            lambda fresh: ["customer:hub", f"device:t{fresh}"],
        ),
        Shape(
            f"a chain of {2 * chain_of:,}",
            lambda _: chain(chain_of),
            lambda fresh: [f"anonymous:c{chain_of // 2 * 2}", f"device:n{fresh}"],
        ),
        Shape("groups as large as may be", lambda _: groups(GROUPS), lambda fresh: within(fresh, GROUPS)),
    ]


class Record(NamedTuple):
    """A record as the log would hand it over."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Worker:
    """One worker's counting on a real database, handed chunks without a log."""

    def __init__(self, pipeline: Pipeline, postmaster: int) -> None:
        self._pipeline = pipeline
        self._postmaster = psutil.Process(postmaster)
        self._next = 0

    async def count(self, events: Sequence[Named]) -> float:
        """Count one chunk; the CPU seconds that this and Postgres took."""
        records = [
            Record(self._next + place, AT_MS, b"k", self._value(place, named)) for place, named in enumerate(events)
        ]
        chunk = Chunk(EVENTS, 0, self._next, self._next + len(records), records)
        self._next += len(records)
        before = self._spent_s()
        await self._pipeline.process(chunk)
        return self._spent_s() - before

    def _value(self, place: int, named: Named) -> bytes:
        identities = [dict(zip(("kind", "value"), one.split(":", 1), strict=True)) for one in named]
        return msgspec.json.encode(
            {
                "specversion": "1.0",
                "id": f"e-{self._next + place}",
                "source": "site/page",
                "type": "tactus.touchpoint.v1",
                "time": "2026-06-01T11:00:00Z",
                "keykind": "browser",
                "subject": named[0],
                "data": {"touchpoint": "web.page_viewed", "channel": "web", "identities": identities},
            }
        )

    def _spent_s(self) -> float:
        backends = [child.cpu_times() for child in self._postmaster.children()]
        return time.process_time() + sum(times.user + times.system for times in backends)


class NoLog:
    """A log that nobody asks: every chunk is handed over."""

    async def ends(self) -> Mapping[Partition, tuple[int, int]]:
        """As long as anybody wants."""
        return dict.fromkeys(PARTITIONS, (0, 1 << 40))

    async def marks(self, offsets: Mapping[Partition, int]) -> Mapping[Partition, int | None]:
        """Nothing."""
        return dict.fromkeys(offsets)


async def measure(dsn: str, postmaster: int, todo: Sequence[Shape], *, rounds: int, size: int) -> dict[str, float]:
    """Build every graph, then add to each of them in turns; microseconds of CPU an event, the median of the rounds."""
    await migrate(dsn)
    store = await Database.open(PostgresSettings(dsn=SecretStr(dsn)), lanes=1)
    pipeline = await Pipeline.on(store, NoLog(), load_catalogue(None), cache_rows_max=1_000_000, clock=SystemClock())
    await pipeline.take_ownership({partition: Bounds(0, 1 << 40) for partition in PARTITIONS})
    worker, fresh = Worker(pipeline, postmaster), count()
    for shape in todo:
        started, waiting = time.monotonic(), shape.built_of(0)
        while events := list(islice(waiting, LOAD_EVENTS)):
            await worker.count(events)
        sys.stderr.write(f"{shape.name}: built in {time.monotonic() - started:.1f} s\n")
    spent: dict[str, list[float]] = {shape.name: [] for shape in todo}
    for _ in range(rounds):
        for shape in todo:
            events = [shape.joining(next(fresh)) for _ in range(size)]
            spent[shape.name].append(await worker.count(events) / size * 1e6)
    await pipeline.close()
    return {name: round(median(each), 1) for name, each in spent.items()}


def main() -> int:
    """0 when no graph makes an event cost more than twice what two strangers cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--hub", type=int, default=300_000)
    parser.add_argument("--chain", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size", type=int, default=1000, help="events in a chunk")
    arguments = parser.parse_args()
    todo = shapes(arguments.hub, arguments.chain // 2)
    with working_directory() as folder:
        server = EmbeddedPostgres(folder / "postgres")
        server.start()
        try:
            spent = asyncio.run(measure(server.dsn, server.pid, todo, rounds=arguments.rounds, size=arguments.size))
        finally:
            server.stop()
    plain = spent["two strangers"]
    ratios = {name: round(one / plain, 2) for name, one in spent.items()}
    publish(
        {"cpu_us_per_event": spent, "beside_two_strangers": ratios, "events_in_a_chunk": arguments.size},
        path=arguments.json,
    )
    return 0 if max(ratios.values()) <= 2 else 1


if __name__ == "__main__":
    sys.exit(main())
