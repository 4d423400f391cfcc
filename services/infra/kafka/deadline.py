"""A deadline that counts only time in which the loop ran: a late loop is no slow broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

STEP_S: Final = 0.1
"""Time is counted in steps, and a step that comes late counts as one: an answer that lies in a socket unread since
before the deadline is read in the turn of the loop that looks at the clock, or in the next one."""


@asynccontextmanager
async def loop_deadline(seconds: float) -> AsyncIterator[None]:
    """Raise TimeoutError in the block after so many seconds of a loop that runs."""
    loop = asyncio.get_running_loop()
    left_s = seconds
    timer: asyncio.TimerHandle
    async with asyncio.timeout(None) as scope:

        def count_step() -> None:
            nonlocal left_s, timer
            left_s -= STEP_S
            if left_s <= 0:
                scope.reschedule(loop.time())
            else:
                timer = next_step()

        def next_step() -> asyncio.TimerHandle:
            return loop.call_later(min(STEP_S, left_s), count_step)

        timer = next_step()
        try:
            yield
        finally:
            timer.cancel()
