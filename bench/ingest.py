"""Events a second through POST /v1/events, acknowledged by the log."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from typing import Final

import httpx
import psutil

from bench.latency import event
from bench.report import publish, working_directory
from services.client.connection import Connection
from services.embedded.stack import LocalStack

CONNECTIONS: Final = 8


async def measure(connection: Connection, *, batch: int, seconds: float) -> dict[str, object]:
    """A closed loop of a few connections, each with one batch under way."""
    headers = {"Authorization": f"Bearer {connection.keys['server']}"}
    door = psutil.Process(connection.pids["ingest"][0])
    accepted = [0] * CONNECTIONS
    async with httpx.AsyncClient(base_url=connection.ingest, headers=headers, timeout=30) as client:
        began, before = time.monotonic(), door.cpu_times()

        async def send(number: int) -> None:
            turn = 0
            while time.monotonic() - began < seconds:
                events = [event(f"b-{number}-{turn}-{place}", customer=f"c-{place}") for place in range(batch)]
                answer = await client.post("/v1/events", json=events)
                answer.raise_for_status()
                accepted[number] += len(answer.json()["results"])
                turn += 1

        await asyncio.gather(*(send(number) for number in range(CONNECTIONS)))
        took, after = time.monotonic() - began, door.cpu_times()
    spent = after.user + after.system - before.user - before.system
    return {
        "events_per_s": round(sum(accepted) / took),
        "ingest_cpu_us_per_event": round(spent / sum(accepted) * 1e6, 1),
        "batch": batch,
        "rss_mib": round(door.memory_info().rss / 2**20),
    }


async def run(batch: int, seconds: float, *, data: Path) -> dict[str, object]:
    """A fresh stack without workers: only the door and the log are measured."""
    async with LocalStack(data, workers=0) as connection:
        return await measure(connection, batch=batch, seconds=seconds)


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    with working_directory() as folder:
        measuring = run(arguments.batch, arguments.seconds, data=folder / "data")
        publish(asyncio.run(measuring), path=arguments.json)


if __name__ == "__main__":
    main()
