"""Processor time of an event at the door in each form, beside a bridge; and how long an answer takes at half load."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import psutil
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.camel.bridge import TOPIC, CamelBridge
from bench.door_figures import HalfLoad, Measured, counted, figures, measured, table
from bench.doors import NATIVE, Door, doors
from bench.in_log import in_log
from bench.report import publish, working_directory
from bench.senders import TIMEOUT, Sender, Spent
from schemas.topics import EVENTS, LATE
from services.embedded.stack import LocalStack
from services.infra.settings import KafkaSettings

SIZES: Final = (1, 100)
"""Events a request: a page's one, and a client's full batch."""

CONNECTIONS: Final = 8
"""Of the rounds: enough that the door has work while the log acknowledges, few enough that little queues."""

SATURATING: Final = (8, 16, 32)
"""More connections bring no more when a door is saturated: the best of these counts."""


COMPILING: Final = 10
"""Java's compiler is done with the bridge after some twenty thousand requests, which takes so many times as long."""


class Times(NamedTuple):
    """How long everything is done, in seconds, and how often."""

    warm_up: float
    rounds: int
    round: float
    half_loads: int
    saturation: float
    half_load: float


class Cell(NamedTuple):
    """One door with one size of request."""

    door: Door
    size: int


def say(text: str) -> None:
    """Progress and the table go to stderr; stdout is the result."""
    sys.stderr.write(f"{text}\n")


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[str, list[Door]]]:
    """A fresh stack without workers, and a bridge beside it on the same broker."""
    async with LocalStack(folder / "data", workers=0) as connection:
        admin = AdminClient({"bootstrap.servers": connection.kafka})
        for made in admin.create_topics([NewTopic(TOPIC, KafkaSettings().partitions)]).values():
            made.result()
        camel = CamelBridge(folder / "camel", bootstrap=connection.kafka)
        camel.start()
        try:
            yield connection.kafka, doors(connection, camel)
        finally:
            camel.stop()


async def in_rounds(sender: Sender, cells: Sequence[Cell], times: Times) -> dict[Cell, list[Spent]]:
    """Let every cell work as fast as it answers, once a round."""
    say("warming up")
    for cell in cells:
        seconds = times.warm_up * (COMPILING if cell.door.compiles else 1)
        await sender.closed_loop(*cell, connections=CONNECTIONS, seconds=seconds)
    spent: dict[Cell, list[Spent]] = {cell: [] for cell in cells}
    for number in range(times.rounds):
        say(f"round {number + 1} of {times.rounds}")
        for cell in _from(number, cells):
            spent[cell].append(await sender.closed_loop(*cell, connections=CONNECTIONS, seconds=times.round))
    return spent


async def at_half_load(sender: Sender, cells: Sequence[Cell], times: Times) -> dict[Cell, list[HalfLoad]]:
    """Find how many events a second each cell bears, and at once see how it answers at half of that; in rounds."""
    seen: dict[Cell, list[HalfLoad]] = {cell: [] for cell in cells}
    for number in range(times.half_loads):
        say(f"half load, round {number + 1} of {times.half_loads}")
        for cell in _from(number, cells):
            tried = [
                await sender.closed_loop(*cell, connections=connections, seconds=times.saturation)
                for connections in SATURATING
            ]
            saturation = max(one.events / one.seconds for one in tried)
            requests_per_s = saturation / 2 / cell.size
            paced = await sender.open_loop(*cell, requests_per_s=requests_per_s, seconds=times.half_load)
            seen[cell].append(HalfLoad(saturation, paced))
    return seen


def _from(number: int, cells: Sequence[Cell]) -> list[Cell]:
    """Begin with another cell, so that no neighbour's minute falls on one alone."""
    turn = number % len(cells)
    return [*cells[turn:], *cells[:turn]]


async def measure(sender: Sender, behind: Sequence[Door], times: Times) -> dict[str, dict[int, Measured]]:
    """Measure every form with every size of request."""
    cells = [Cell(door, size) for size in SIZES for door in behind]
    spent = await in_rounds(sender, cells, times)
    halves = await at_half_load(sender, cells, times)
    natives = {cell.size: spent[cell] for cell in cells if cell.door.name == NATIVE}
    return {
        door.name: {
            cell.size: measured(spent[cell], natives[cell.size], halves[cell]) for cell in cells if cell.door is door
        }
        for door in behind
    }


async def run(times: Times, *, folder: Path) -> dict[str, object]:
    """Measure, print the table, and count what the log has."""
    async with running(folder) as (bootstrap, behind):
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session:
            sender = Sender(session)
            forms = await measure(sender, behind, times)
        rss_mib = {door.name: round(psutil.Process(door.pid).memory_info().rss / 2**20) for door in behind}
        found = await asyncio.to_thread(in_log, bootstrap, [EVENTS, LATE, TOPIC])
    say(table(forms))
    return figures(forms, counted(behind, sender.acknowledged, found), rss_mib=rss_mib)


def main() -> int:
    """0 when the log has every acknowledged event, and each of them once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--warm-up", type=float, default=2, help="seconds of each form and size, once")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round", type=float, default=2, help="seconds of each form and size in a round")
    parser.add_argument("--half-loads", type=int, default=3, help="rounds at half load")
    parser.add_argument(
        "--saturation", type=float, default=1, help="seconds of each form, size and number of connections"
    )
    parser.add_argument("--half-load", type=float, default=4, help="seconds of each form and size in a round")
    arguments = vars(parser.parse_args())
    path = arguments.pop("json")
    with working_directory() as folder:
        result = asyncio.run(run(Times(**arguments), folder=folder))
    publish(result, path=path)
    return 0 if result["kept"] else 1


if __name__ == "__main__":
    sys.exit(main())
