"""Send a seeded workload to ingest, open loop, and keep a ledger of every answer; poison goes straight to Kafka."""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import random
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from tests.faults.ledger import Ledger
from tests.faults.poison import Poisoner
from tests.faults.workload import Planned, Workload

BATCH_EVENTS: Final = 10
IN_FLIGHT_MAX: Final = 100
"""Requests at once; beyond it batches wait, so that a long outage costs bounded memory."""
REQUEST_S: Final = 8.0
"""Ingest answers within its own 5 s; longer means that it is gone."""
SETTLE_S: Final = 90.0
"""How long after the last fresh event unknown outcomes are still retried."""


class Driver:
    """One run of load."""

    def __init__(self, *, client: httpx.AsyncClient, ledger: Ledger, seed: int) -> None:
        self.client = client
        self.ledger = ledger
        self.dice = random.Random(seed + 1)
        self.workload = Workload(seed)
        self.counts: Counter[str] = Counter()
        self.later: list[tuple[float, int, Planned]] = []
        self.stopping = asyncio.Event()
        self.room = asyncio.Semaphore(IN_FLIGHT_MAX)

    async def run(self, *, rate: float, events: int, seconds: float) -> None:
        """Send until the events or the time are used up, then retry what is unknown."""
        started = time.monotonic()
        sent = 0
        async with asyncio.TaskGroup() as group:
            while sent < events and not self.stopping.is_set() and time.monotonic() - started < seconds:
                batch = self._batch()
                for _ in range(2 if self.dice.random() < 0.03 else 1):
                    await self.room.acquire()
                    group.create_task(self._deliver(batch, give_up=started + seconds + SETTLE_S))
                sent += len(batch)
                pause = started + sent / rate - time.monotonic()
                # After an outage the backlog is sent at no more than twice the rate.
                await asyncio.sleep(max(pause, BATCH_EVENTS / rate / 2))

    def _batch(self) -> list[Planned]:
        now, clock = datetime.now(UTC), time.monotonic()
        batch: list[Planned] = []
        while self.later and self.later[0][0] <= clock and len(batch) < BATCH_EVENTS // 2:
            batch.append(heapq.heappop(self.later)[2])
        while len(batch) < BATCH_EVENTS:
            planned = self.workload.fresh(now)
            batch.append(planned)
            if self.dice.random() < 0.03:
                batch.append(planned)
        return batch

    async def _deliver(self, batch: list[Planned], *, give_up: float) -> None:
        """Offer a batch until each event has a verdict; what stays unknown at the end is counted so."""
        try:
            attempt = 0
            while batch and time.monotonic() < give_up:
                batch, wait = await self._offer(batch)
                attempt += 1
                if batch:
                    await asyncio.sleep(max(wait, min(0.2 * 2**attempt, 2.0) * self.dice.uniform(0.5, 1)))
            self.counts["unresolved"] += len(batch)
        finally:
            self.room.release()

    async def _offer(self, batch: list[Planned]) -> tuple[list[Planned], float]:
        """Send once; what is still unknown, and how long to wait before the next try."""
        at = time.time()
        self.ledger.note({**planned.name, "sent_at": at, "status": "sent"} for planned in batch)
        self.counts["sent"] += len(batch)
        try:
            answer = await self.client.post(
                "/v1/events",
                content=json.dumps([planned.event for planned in batch]),
                headers={"content-type": "application/cloudevents-batch+json"},
            )
        except httpx.HTTPError:
            self._note(batch, "unknown", at)
            return batch, 0.0
        self.counts[f"http_{answer.status_code}"] += 1
        if answer.status_code not in (202, 422):
            self._note(batch, "unknown", at)
            return batch, min(float(answer.headers.get("retry-after", 0)), 2.0)
        return self._sort(batch, answer.json()["results"], at), 0.0

    def _sort(self, batch: list[Planned], results: list[dict[str, Any]], at: float) -> list[Planned]:
        verdicts = {result["index"]: result["status"] for result in results}
        kept = [planned for index, planned in enumerate(batch) if verdicts.get(index) == "accepted"]
        refused = [planned for index, planned in enumerate(batch) if verdicts.get(index) == "rejected"]
        self._note(kept, "ok", at)
        self._note(refused, "fail", at)
        self.counts["refused_good"] += sum(planned.good for planned in refused)
        self.counts["kept_bad"] += sum(not planned.good for planned in kept)
        for planned in kept:
            self._plan_sequel(planned)
        return [planned for index, planned in enumerate(batch) if index not in verdicts]

    def _plan_sequel(self, planned: Planned) -> None:
        """Duplicates, conflicts and namesakes come after the acknowledgement, so that the log decides who was first."""
        kind = self.dice.random()
        sequel: Planned | None = None
        if kind < 0.03:
            sequel = planned
        elif kind < 0.05:
            sequel = self.workload.conflicting(planned)
        elif kind < 0.06:
            sequel = self.workload.namesake(planned, datetime.now(UTC))
        if sequel is not None:
            due = time.monotonic() + self.dice.expovariate(1 / 4)
            heapq.heappush(self.later, (due, self.counts["sequels"], sequel))
            self.counts["sequels"] += 1

    def _note(self, batch: list[Planned], status: str, at: float) -> None:
        self.counts[status] += len(batch)
        now = time.time()
        self.ledger.note({**planned.name, "sent_at": at, "at": now, "status": status} for planned in batch)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ingest", required=True, help="base address of ingest")
    parser.add_argument("--key", required=True, help="a write key")
    parser.add_argument("--bootstrap", required=True, help="Kafka, for poison")
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rate", type=float, default=400.0, help="events a second")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--poison-every", type=float, default=0.0, help="seconds between bad records; 0 = none")
    return parser.parse_args()


async def _main(options: argparse.Namespace) -> Counter[str]:
    headers = {"authorization": f"Bearer {options.key}"}
    limits = httpx.Limits(max_connections=IN_FLIGHT_MAX)
    client = httpx.AsyncClient(base_url=options.ingest, headers=headers, timeout=REQUEST_S, limits=limits)
    with Ledger(options.ledger) as ledger:
        async with client:
            driver = Driver(client=client, ledger=ledger, seed=options.seed)
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, driver.stopping.set)
            poisoner = Poisoner(options.bootstrap, ledger=ledger, seed=options.seed)
            poisoning = asyncio.create_task(poisoner.run(every_s=options.poison_every))
            await driver.run(rate=options.rate, events=options.events, seconds=options.seconds)
            poisoner.stopping.set()
            driver.counts["poison"] = await poisoning
    return driver.counts


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_main(_arguments()))) + "\n")
