"""Remove what nobody reads any more, portion after portion and beside the work."""

from __future__ import annotations

import asyncio
from typing import Final

from services.aggregator.counting.ports import Store
from services.infra.background import Background
from services.infra.logs import get_logger
from services.state.retention import Round

log = get_logger(__name__)

EVERY_S: Final = 60.0
"""Between two looks whether a walk is due; also before the first, when whoever starts has more urgent work."""

AGAIN_AFTER_S: Final = 86_400.0
"""A walk over all rows of a kind is begun once a day: what is old enough waits a day longer, and nobody reads it."""

AGAIN_S: Final = 300.0
"""After a round that failed."""

SHARE: Final = 3.0
"""How many times as long as a portion took it pauses after it: three quarters of the time belong to events."""


class Forgetting:
    """The task that removes for as long as the worker lives; of several workers one at a time does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._background = Background("retention", self._round, again_s=AGAIN_S)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=EVERY_S)

    async def stop(self) -> None:
        """Leave off; how far a walk is stands in the database, and another worker or start goes on."""
        await self._background.stop()

    async def _round(self) -> float:
        """One portion; how long to wait for the next."""
        began_s = asyncio.get_running_loop().time()
        done = await self._store.retire(again_after_s=AGAIN_AFTER_S)
        if not isinstance(done, Round):
            return EVERY_S
        if done.removed:
            log.info("retired", subject=done.subject, rows=done.removed, ended=done.ended)
        return SHARE * (asyncio.get_running_loop().time() - began_s)
