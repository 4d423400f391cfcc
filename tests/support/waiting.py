"""Wait for a condition, never for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 120.0
"""Far above what anything here takes on two cores that four times as much presses on: only a real fault runs into it."""

POLL_S = 0.05


def wait_until(condition: Callable[[], T | None], *, what: str, timeout_s: float = PATIENCE_S) -> T:
    """Return the first true answer of the condition; fail with `what` when none comes."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s in vain until {what}")
        time.sleep(POLL_S)


async def eventually(condition: Callable[[], Awaitable[T | None]], *, what: str, timeout_s: float = PATIENCE_S) -> T:
    """Return the first true answer of the awaited condition; fail with `what` when none comes."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = await condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s in vain until {what}")
        await asyncio.sleep(POLL_S)
