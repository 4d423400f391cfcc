"""Large histories are read one after another, and nobody waits for them without end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from services.api.large_reads import INLINE_ROWS_MAX, WAITING_MAX, LargeReads
from services.infra.errors import UnavailableError


async def test_large_histories_are_read_one_at_a_time() -> None:
    reads, inside, most = LargeReads(), 0, 0

    async def read() -> None:
        nonlocal inside, most
        async with reads.turn():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(read() for _ in range(WAITING_MAX)))

    assert (most, inside) == (1, 0)


async def test_one_more_than_may_wait_is_told_at_once() -> None:
    reads, done = LargeReads(), asyncio.Event()

    async def read() -> None:
        async with reads.turn():
            await done.wait()

    reading = [asyncio.create_task(read()) for _ in range(1 + WAITING_MAX)]
    await asyncio.sleep(0)

    with pytest.raises(UnavailableError):
        async with reads.turn():
            pass
    done.set()
    await asyncio.gather(*reading)
    async with reads.turn():
        pass


async def test_what_fails_or_is_given_up_gives_its_turn_back() -> None:
    reads = LargeReads()

    with pytest.raises(ZeroDivisionError):
        async with reads.turn():
            raise ZeroDivisionError
    async with reads.turn():
        waiting = asyncio.create_task(reads.turn().__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    async with asyncio.timeout(1), reads.turn():
        pass


async def test_only_what_takes_long_is_done_beside_the_loop() -> None:
    reads, here = LargeReads(), threading.get_ident()

    assert await reads.compute(threading.get_ident, rows=INLINE_ROWS_MAX) == here
    assert await reads.compute(threading.get_ident, rows=INLINE_ROWS_MAX + 1) != here
