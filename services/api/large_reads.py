"""Keep long answers out of everybody's way: they are computed beside the loop, and the largest one after another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from services.infra.errors import UnavailableError

USUAL_ROWS_MAX: Final = 5_000
"""Tallies of a person who lives with us every day for a year; their answer takes some milliseconds, and half a MiB."""

INLINE_ROWS_MAX: Final = 300
"""Up to here an answer is computed sooner than a thread takes it up."""

THREADS: Final = 2
"""A large answer in one of them leaves the other to the usual ones; more would only wait for the interpreter."""

WAITING_MAX: Final = 8
"""Large answers take half a second each: the last of these still comes within the deadline of its asker."""

WAIT_S: Final = 5.0

T = TypeVar("T")


class LargeReads:
    """Threads for what takes long, and turns for what is large: one large history is in memory at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="answers")
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def compute(self, work: Callable[[], T], *, rows: int) -> T:
        """Do pure work over so many rows, beside the loop unless they are few."""
        if rows <= INLINE_ROWS_MAX:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def attempts(self, attempt: Callable[[int], Awaitable[T | None]], *, rows_max: int) -> T | None:
        """Attempt it from as many tallies as is usual, and in its turn from `rows_max`; None when these were too few."""
        answer = await attempt(USUAL_ROWS_MAX)
        if answer is None:
            async with self.turn():
                answer = await attempt(rows_max)
        return answer

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn of a large history, holding nothing meanwhile; raises UnavailableError when too many do."""
        if self._waiting >= WAITING_MAX:
            raise UnavailableError("too many large histories are asked for at once")
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                await self._turn.acquire()
        except TimeoutError as error:
            raise UnavailableError("other large histories are being read") from error
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()
