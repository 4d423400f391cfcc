"""Chunks side by side across partitions, in order within each; nothing of Kafka."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from schemas.topics import Partition
from services.aggregator.processor import Chunk
from services.infra.logs import get_logger

log = get_logger(__name__)

CANCEL_S: Final = 5.0
"""A database that is there takes a transaction back within milliseconds, one that was killed breaks the connection."""


class Work(NamedTuple):
    """A chunk, and whom to tell once it is stored."""

    chunk: Chunk
    stored: Callable[[], object]


class Lanes:
    """Works off each partition's chunks one after the other, and at most `lanes` of all partitions at once.

    Waiting partitions get their turn first come, first served. The first exception ends everything: it is
    handed to `failed`, and nothing is begun any more, so no chunk is skipped and none is told stored in error.
    """

    def __init__(
        self, process: Callable[[Chunk], Awaitable[None]], *, lanes: int, failed: Callable[[Exception], None]
    ) -> None:
        self._process = process
        self._failed = failed
        self._lanes = lanes
        self._turns = asyncio.Semaphore(lanes)
        self._waiting: dict[Partition, deque[Work]] = {}
        self._tasks: dict[Partition, asyncio.Task[None]] = {}
        self._broken = False

    def put(self, work: Work) -> None:
        """Queue a chunk behind its partition's others. How many may wait is the caller's to bound."""
        if self._broken:
            return
        partition = (work.chunk.topic, work.chunk.part)
        self._waiting.setdefault(partition, deque()).append(work)
        if partition not in self._tasks:
            self._tasks[partition] = asyncio.create_task(self._work_off(partition), name=f"lane {partition}")

    async def settle(self, *, within_s: float) -> None:
        """Drop what waits and let what has begun end; after `within_s` it is cancelled, which rolls it back.

        A chunk that does not even end then, since its connection hangs, is left behind with its turn: whoever owns
        its partition next is fenced off from it, and nobody waits for it.
        """
        for waiting in self._waiting.values():
            waiting.clear()
        begun = dict(self._tasks)
        if not begun:
            return
        _, late = await asyncio.wait(begun.values(), timeout=within_s)
        for task in late:
            task.cancel()
        if not late:
            return
        log.warning("chunks_abandoned", chunks=len(late), waited_s=within_s)
        _, hanging = await asyncio.wait(late, timeout=CANCEL_S)
        if hanging:
            log.error("chunks_left_behind", chunks=len(hanging), waited_s=CANCEL_S)
            self._turns = asyncio.Semaphore(self._lanes)
            for partition in [partition for partition, task in begun.items() if task in hanging]:
                del self._tasks[partition], self._waiting[partition]

    async def _work_off(self, partition: Partition) -> None:
        waiting = self._waiting[partition]
        try:
            while waiting:
                async with self._turns:
                    if not waiting or self._broken:  # settled, or failed elsewhere, while this one queued
                        return
                    work = waiting.popleft()
                    await self._process(work.chunk)
                work.stored()
        except Exception as error:  # noqa: BLE001 - whatever it is, no chunk may be skipped: the process ends
            self._broken = True
            self._failed(error)
        finally:
            if self._tasks.get(partition) is asyncio.current_task():  # else it was left behind
                del self._tasks[partition]
