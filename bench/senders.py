"""Send to a door: as fast as it answers, or at fixed times whatever it does."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import aiohttp
import psutil

from bench.doors import Door
from bench.purchases import Purchases

TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
"""An answer that takes so long ends the bench."""


class Spent(NamedTuple):
    """What a closed loop did."""

    events: int
    seconds: float
    cpu_s: float


class Paced(NamedTuple):
    """What an open loop saw, in seconds."""

    latencies: list[float]
    """From the time when each request was due to its answer."""
    late: list[float]
    """How late each was sent: the generator's own share of that."""


class Sender:
    """One client with connections that are kept; it counts what each door acknowledged."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._purchases = Purchases()
        self.acknowledged: dict[str, int] = {}

    async def closed_loop(self, door: Door, size: int, *, connections: int, seconds: float) -> Spent:
        """Keep so many requests under way, each of `size` events; processor time is that of the door's process."""
        process = psutil.Process(door.pid)
        events = 0
        began, before = time.monotonic(), process.cpu_times()

        async def send() -> None:
            nonlocal events
            while time.monotonic() - began < seconds:
                await self._send(door, size)
                events += size

        await asyncio.gather(*(send() for _ in range(connections)))
        took, after = time.monotonic() - began, process.cpu_times()
        return Spent(events, took, after.user + after.system - before.user - before.system)

    async def open_loop(self, door: Door, size: int, *, requests_per_s: float, seconds: float) -> Paced:
        """Send at fixed times; a request that must wait for its turn has that wait counted."""
        paced = Paced([], [])

        async def send(due: float) -> None:
            paced.late.append(time.monotonic() - due)
            await self._send(door, size)
            paced.latencies.append(time.monotonic() - due)

        with _no_garbage():
            began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for number in range(int(requests_per_s * seconds)):
                    due = began + number / requests_per_s
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    group.create_task(send(due))
        return paced

    async def _send(self, door: Door, size: int) -> None:
        body = door.body(self._purchases.next(size))
        url = door.url_of_one if size == 1 and door.url_of_one else door.url
        async with self._session.post(url, data=body, headers=door.headers) as answer:
            text = await answer.read()
            if not answer.ok or door.accepted(text, size) != size:
                raise RuntimeError(f"{door.name} answered {answer.status}: {text[:500]!r}")
        self.acknowledged[door.name] = self.acknowledged.get(door.name, 0) + size


@contextmanager
def _no_garbage() -> Iterator[None]:
    """The client's own collector would be taken for the door's pauses."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
