"""Kill, stop and crowd the processes of a stack, at random moments, by a seeded schedule."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final

import asyncpg
import psutil

from tests.faults.cluster import Cluster, Worker
from tests.faults.watch import Watch
from tests.support.waiting import eventually

TAKEOVER_S: Final = 60.0
LEAVE_S: Final = 30.0
WORKERS: Final = 2


HUNTED: Final = 0.5
"""So many of the workers that die are caught inside a transaction; the others die at any moment."""
HUNT_S: Final = 3.0
AWAY: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
OPEN: Final = (
    "SELECT client_port FROM pg_stat_activity"
    " WHERE application_name = 'tactus-aggregator' AND xact_start IS NOT NULL AND client_port IS NOT NULL"
)


class Fault(StrEnum):
    """What can be done to the stack."""

    INGEST = "ingest killed"
    WORKER = "worker killed"
    BROKER = "broker killed"
    POSTGRES = "postgres killed"
    JOIN = "worker joined and left"
    FREEZE = "worker frozen past its session"


COUNTS: Final = {Fault.INGEST: 8, Fault.WORKER: 14, Fault.BROKER: 2, Fault.POSTGRES: 3, Fault.JOIN: 5, Fault.FREEZE: 1}
"""How often at scale 1."""

ROLES: Final = {Fault.INGEST: "ingest", Fault.WORKER: "aggregator", Fault.BROKER: "kafka", Fault.POSTGRES: "postgres"}


def schedule(*, dice: random.Random, scale: float) -> list[Fault]:
    """The faults in the order in which they will come."""
    faults = [fault for fault, count in COUNTS.items() for _ in range(max(1, round(count * scale)))]
    dice.shuffle(faults)
    return faults


class Nemesis:
    """Carries out the schedule."""

    def __init__(self, cluster: Cluster, *, dice: random.Random, watch: Watch) -> None:
        self.cluster = cluster
        self.dice = dice
        self.watch = watch
        self.done: Counter[str] = Counter()
        self.struck_at: list[tuple[str, float]] = []
        self.last_blow = time.monotonic()
        """When something was last killed, sent away or woken: from then on all should be well again."""
        self.guest: asyncio.Task[None] | None = None

    async def rage(self, faults: list[Fault]) -> None:
        """One fault after the other, at random moments; returns when all processes are back.

        The first is none of these: a worker dies where it hurts, whatever the dice and the machine say.
        """
        await self._kill_in_transaction()
        for fault in faults:
            await asyncio.sleep(self.dice.uniform(0.3, 3.0))
            sys.stderr.write(f"nemesis: {fault}\n")
            if fault is Fault.JOIN:
                await self._see_off()
                self.guest = asyncio.create_task(self._host())
            elif fault is Fault.FREEZE:
                await self._see_off()
                await self._freeze()
            else:
                await self._kill(fault)
            self.done[fault] += 1
        await self._see_off()
        await self.cluster.healthy({"ingest": 1, "aggregator": WORKERS, "kafka": 1, "postgres": 1})

    async def _kill(self, fault: Fault) -> None:
        pid = await self.cluster.victim(ROLES[fault], self.dice.choice)
        if fault is Fault.WORKER and self.dice.random() < HUNTED:
            pid = await self._inside_transaction() or pid
        self._strike(fault, pid)

    def _strike(self, fault: Fault, pid: int) -> None:
        self.watch.note(fault)
        self.struck_at.append((fault, time.time()))
        os.kill(pid, signal.SIGKILL)
        self.last_blow = time.monotonic()

    async def _kill_in_transaction(self) -> None:
        """Kill a worker while its transaction waits for a lock of ours."""
        pid = await self.cluster.victim(ROLES[Fault.WORKER], self.dice.choice)
        async with in_transaction(self.cluster, pid):
            self._strike(Fault.WORKER, pid)
        self.done[Fault.WORKER] += 1

        async def cut() -> bool:
            return self.cluster.cut_transactions() > 0

        await eventually(cut, what="Postgres has noticed the cut transaction")

    async def _inside_transaction(self) -> int | None:
        """A worker that has a transaction open at this moment; None when none was seen for a while."""
        found = None

        async def seen() -> bool:
            nonlocal found
            try:
                ports = {row["client_port"] for row in await self.cluster.query(OPEN)}
            except AWAY:
                return True
            found = next((pid for pid in self.cluster.pids("aggregator") if ports & ports_of(pid)), None)
            return found is not None

        try:
            await eventually(seen, timeout_s=HUNT_S, what="a worker is inside a transaction")
        except AssertionError:
            return None
        return found

    async def _see_off(self) -> None:
        """Wait for the worker that joined to leave, so that there is one guest at a time."""
        if self.guest is not None:
            await self.guest
            self.guest = None

    async def _host(self) -> None:
        """A worker joins, works on some partitions, and leaves by SIGTERM."""
        worker = self.cluster.join()
        try:
            await self._owns(worker)
        except AssertionError:
            self.done["joined worker owned nothing"] += 1
        await asyncio.sleep(self.dice.uniform(0.5, 2.0))
        worker.process.send_signal(signal.SIGTERM)
        self.last_blow = time.monotonic()
        try:
            code = await worker.ended(within_s=LEAVE_S)
            self.done[f"joined worker exit {code}"] += 1
        except AssertionError:
            self.done["joined worker hung at SIGTERM"] += 1
            worker.discard()

    async def _owns(self, worker: Worker) -> None:
        async def owner() -> bool:
            if worker.process.poll() is not None:
                return True
            try:
                sql = "SELECT 1 FROM partition_progress WHERE topic = 'cx.touchpoints.v1' AND owner LIKE $1"
                return bool(await self.cluster.query(sql, f"%/{worker.pid}"))
            except AWAY:
                return False

        await eventually(owner, timeout_s=TAKEOVER_S, what=f"worker {worker.pid} owns a partition")

    async def _freeze(self) -> None:
        """Freeze a worker inside its transaction until another owns its partitions; awake, it must be refused."""
        await self.cluster.healthy({"ingest": 1, "aggregator": WORKERS, "kafka": 1, "postgres": 1})
        worker = self.cluster.join()
        await self._owns(worker)
        await freeze_in_transaction(self.cluster, worker)
        self.watch.note(Fault.FREEZE)
        await taken_over(self.cluster, worker)
        worker.process.send_signal(signal.SIGCONT)
        self.last_blow = time.monotonic()
        code = await worker.ended(within_s=TAKEOVER_S)
        said = worker.said().lower()
        if code == 0 or "fenced" not in said:
            raise AssertionError(f"the woken worker was not fenced out: exit {code}\n{said[-2000:]}")
        self.done["fenced exits"] += 1


def ports_of(pid: int) -> set[int]:
    """The local ports of a process' connections."""
    try:
        return {connection.laddr.port for connection in psutil.Process(pid).net_connections("tcp")}
    except psutil.Error:
        return set()


@asynccontextmanager
async def in_transaction(cluster: Cluster, pid: int) -> AsyncIterator[None]:
    """Hold the rows of a worker's partitions; the block runs while its fence waits for them, in the middle of a chunk."""
    holder = await asyncpg.connect(cluster.dsn, timeout=5)
    try:
        mine = await holder.fetchval("SELECT pg_backend_pid()")
        async with holder.transaction():
            sql = "SELECT 1 FROM partition_progress WHERE topic = 'cx.touchpoints.v1' AND owner LIKE $1 FOR UPDATE"
            await holder.fetch(sql, f"%/{pid}")

            async def waits() -> bool:
                sql = "SELECT 1 FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))"
                return bool(await cluster.query(sql, mine))

            await eventually(waits, timeout_s=LEAVE_S, what="the worker is in the middle of a chunk")
            yield
    finally:
        await holder.close()


async def freeze_in_transaction(cluster: Cluster, worker: Worker) -> None:
    """Stop a worker surely in the middle of a chunk."""
    async with in_transaction(cluster, worker.pid):
        worker.process.send_signal(signal.SIGSTOP)


async def taken_over(cluster: Cluster, worker: Worker) -> None:
    """Wait until other workers own everything the frozen one had, and have moved on."""
    before = {row["part"]: row["next"] for row in await cluster.query(OWNED, f"%/{worker.pid}")}

    async def others_moved() -> bool:
        if await cluster.query(OWNED, f"%/{worker.pid}"):
            return False
        rows = await cluster.query("SELECT part, next FROM partition_progress WHERE topic = 'cx.touchpoints.v1'")
        return any(row["next"] > before[row["part"]] for row in rows if row["part"] in before)

    await eventually(others_moved, timeout_s=TAKEOVER_S, what="others took over from the frozen worker")


OWNED: Final = "SELECT part, next FROM partition_progress WHERE topic = 'cx.touchpoints.v1' AND owner LIKE $1"
