"""From the 2xx to the score readable over the API, under a steady open-loop load."""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles
from typing import Final

import httpx

from bench.report import publish, working_directory
from services.client.connection import Connection
from services.embedded.stack import LocalStack

SEED: Final = 7
BATCH: Final = 20
PROBES_PER_S: Final = 20
POLL_S: Final = 0.005
PATIENCE_S: Final = 30.0
WARM_UP_S: Final = 3.0
CUSTOMERS: Final = 5000


class Load:
    """Sends batches at fixed times, whatever the answers take; counts what was accepted."""

    def __init__(self, client: httpx.AsyncClient, *, rate: int, seconds: float) -> None:
        self._client = client
        self._rate = rate
        self._seconds = seconds
        self._rng = random.Random(SEED)
        self.accepted = 0
        self.late_s = 0.0

    async def run(self) -> None:
        """Open loop: each batch has its time; how late the latest started is kept."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(int(self._seconds * self._rate / BATCH)):
                at = started + number * BATCH / self._rate
                await asyncio.sleep(max(0.0, at - time.monotonic()))
                self.late_s = max(self.late_s, time.monotonic() - at)
                group.create_task(self._send(number))

    async def _send(self, number: int) -> None:
        batch = [
            event(f"load-{number}-{place}", customer=f"c-{self._rng.randrange(CUSTOMERS)}") for place in range(BATCH)
        ]
        answer = await self._client.post("/v1/events", json=batch)
        answer.raise_for_status()
        self.accepted += len(answer.json()["results"])


def event(event_id: str, *, customer: str) -> dict[str, object]:
    """One native event; its time is that of its arrival."""
    return {
        "id": event_id,
        "source": "bench",
        "data": {
            "touchpoint": "web.product_viewed",
            "channel": "web",
            "identities": [{"kind": "customer", "value": customer}],
            "properties": {"url": "https://shop.example/catalogue/17", "session": f"s-{customer}"},
        },
    }


async def probe(number: int, *, ingest: httpx.AsyncClient, api: httpx.AsyncClient) -> float:
    """Seconds from the 2xx of a new customer's first event to the customer's score in an answer."""
    customer = f"probe-{number}"
    answer = await ingest.post("/v1/events", json=event(f"p-{number}", customer=customer))
    acknowledged = time.monotonic()
    answer.raise_for_status()
    path = f"/v1/customers/customer:{customer}"
    while time.monotonic() - acknowledged < PATIENCE_S:
        if (await api.get(path)).status_code == httpx.codes.OK:
            return time.monotonic() - acknowledged
        await asyncio.sleep(POLL_S)
    raise RuntimeError(f"no score for {customer} within {PATIENCE_S:.0f} s")


async def measure(connection: Connection, *, rate: int, seconds: float) -> dict[str, object]:
    """Load and probes at once; the first seconds are not counted."""
    write = {"Authorization": f"Bearer {connection.keys['server']}"}
    read = {"Authorization": f"Bearer {connection.keys['read']}"}
    async with (
        httpx.AsyncClient(base_url=connection.ingest, headers=write, timeout=30) as ingest,
        httpx.AsyncClient(base_url=connection.api, headers=read, timeout=30) as api,
    ):
        load = Load(ingest, rate=rate - PROBES_PER_S, seconds=seconds + WARM_UP_S)
        running = asyncio.create_task(load.run())
        await asyncio.sleep(WARM_UP_S)
        probes = []
        for number in range(int(seconds * PROBES_PER_S)):
            probes.append(asyncio.create_task(probe(number, ingest=ingest, api=api)))
            await asyncio.sleep(1 / PROBES_PER_S)
        latencies = await asyncio.gather(*probes)
        await running
    return {
        **figures(latencies),
        "rate": rate,
        "accepted": load.accepted,
        "generator_late_ms": round(load.late_s * 1000, 1),
    }


def figures(latencies: Sequence[float]) -> dict[str, object]:
    """Percentiles in milliseconds."""
    cuts = quantiles(latencies, n=100)
    return {
        "p50_ms": round(cuts[49] * 1000, 1),
        "p90_ms": round(cuts[89] * 1000, 1),
        "p99_ms": round(cuts[98] * 1000, 1),
        "max_ms": round(max(latencies) * 1000, 1),
        "probes": len(latencies),
    }


async def run(rate: int, seconds: float, *, data: Path) -> dict[str, object]:
    """A fresh stack with one worker."""
    async with LocalStack(data, workers=1) as connection:
        return await measure(connection, rate=rate, seconds=seconds)


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    with working_directory() as folder:
        measuring = run(arguments.rate, arguments.seconds, data=folder / "data")
        publish(asyncio.run(measuring), path=arguments.json)


if __name__ == "__main__":
    main()
