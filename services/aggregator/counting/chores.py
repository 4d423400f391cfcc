"""Do the database's chores now and then: they never stand before the work, and somebody watches them."""

from __future__ import annotations

from typing import Final

from services.aggregator.counting.ports import Store
from services.infra.background import Background
from services.infra.logs import get_logger
from services.infra.metrics import CHORES_DONE_AT

log = get_logger(__name__)

EVERY_S: Final = 3600.0
"""The months are made two ahead, so an hour is often enough."""

AGAIN_S: Final = 60.0
"""After a round that somebody was in the way of."""


class Chores:
    """The task that keeps house for as long as the worker lives."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._background = Background("chores", self._round, again_s=AGAIN_S)

    async def start(self) -> None:
        """Do one round, so that a new database has its months, and go on in the background."""
        self._background.start(pause_s=await self._background.round())

    async def stop(self) -> None:
        """Leave off."""
        await self._background.stop()

    async def _round(self) -> float:
        """One round; how long to wait for the next."""
        done = await self._store.keep_house()
        CHORES_DONE_AT.set_to_current_time()
        if done.months or done.moved:
            log.info("chores_done", months=done.months, moved=done.moved, forgotten=done.forgotten)
        return EVERY_S
