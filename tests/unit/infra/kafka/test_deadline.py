"""A deadline counts the time in which the loop ran."""

from __future__ import annotations

import asyncio
import time

import pytest

from services.infra.kafka.deadline import STEP_S, loop_deadline


async def test_who_waits_for_longer_is_told_so() -> None:
    with pytest.raises(TimeoutError):
        async with loop_deadline(STEP_S / 4):
            await asyncio.Event().wait()


async def test_a_loop_that_others_held_is_no_slow_answer() -> None:
    async with loop_deadline(2.5 * STEP_S):
        for _ in range(2):
            time.sleep(3 * STEP_S)  # noqa: ASYNC251 - this is how a loop is held
            await asyncio.sleep(0)


async def test_many_turns_of_a_running_loop_add_up() -> None:
    async def turns() -> None:
        async with loop_deadline(2.5 * STEP_S):
            for _ in range(1000):
                await asyncio.sleep(STEP_S / 10)

    with pytest.raises(TimeoutError):
        await turns()


async def test_nothing_comes_after_the_block() -> None:
    async with loop_deadline(STEP_S / 4):
        pass

    await asyncio.sleep(STEP_S)


async def test_whoever_is_cancelled_is_not_told_of_a_deadline() -> None:
    async def waits() -> None:
        async with loop_deadline(60):
            await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
