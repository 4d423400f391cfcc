"""Work beside counting: one round after another, for as long as the worker lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Background:
    """A task that goes from round to round; a round tells how many seconds to wait for the next, and raises nothing."""

    def __init__(self, name: str, round_: Callable[[], Awaitable[float]]) -> None:
        self._name = name
        self._round = round_
        self._task: asyncio.Task[None] | None = None

    def start(self, *, pause_s: float) -> None:
        """Go on in the background, after a pause."""
        self._task = asyncio.create_task(self._keep_on(pause_s), name=self._name)

    async def stop(self) -> None:
        """Leave off in the middle of whatever it does; without a start it is nothing."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_on(self, pause_s: float) -> None:
        while True:
            await asyncio.sleep(pause_s)
            pause_s = await self._round()
