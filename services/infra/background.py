"""Work beside the main work: one round after another, for as long as the process lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.infra.errors import UnavailableError
from services.infra.logs import get_logger

log = get_logger(__name__)


class Background:
    """A task that goes from round to round; a round returns how many seconds to wait for the next.

    A round that raises is put off for `again_s`: what is away comes back, and whatever else it is, the main work goes on.
    """

    def __init__(self, name: str, round_: Callable[[], Awaitable[float]], *, again_s: float) -> None:
        self._name = name
        self._put_off, self._failed = f"{name}_put_off", f"{name}_failed"
        self._round = round_
        self._again_s = again_s
        self._task: asyncio.Task[None] | None = None

    def start(self, *, pause_s: float) -> None:
        """Go on in the background, after a pause."""
        self._task = asyncio.create_task(self._keep_on(pause_s), name=self._name)

    async def stop(self) -> None:
        """Leave off in the middle of whatever it does; without a start it is nothing."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def round(self) -> float:
        """One round, which raises nothing; how long to wait for the next."""
        try:
            return await self._round()
        except UnavailableError as error:
            log.warning(self._put_off, because=str(error), again_in_s=self._again_s)
        except Exception:
            log.exception(self._failed, again_in_s=self._again_s)
        return self._again_s

    async def _keep_on(self, pause_s: float) -> None:
        while True:
            await asyncio.sleep(pause_s)
            pause_s = await self.round()
