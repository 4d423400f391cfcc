"""Tell followers everybody's score where no event does: a model has taken over, or a feed begins; beside the work."""

from __future__ import annotations

import asyncio
from typing import Final

from services.aggregator.counting.ports import Store
from services.infra.background import Background
from services.infra.metrics import SCORES_ANNOUNCED

EVERY_S: Final = 5.0
"""How soon one is taken up."""

AGAIN_S: Final = 30.0
"""After a round that failed."""

PERSONS: Final = 500
"""In one portion: their rows are locked for some hundredths of a second, and a chunk that touches one waits so long."""

SHARE: Final = 3.0
"""How many times as long as a portion took it pauses after it: three quarters of the time belong to events."""


class Announcing:
    """The task that announces for as long as the worker lives; of several workers one at a time does."""

    def __init__(self, store: Store, *, portion: int = PERSONS) -> None:
        self._store = store
        self._portion = portion
        self._background = Background("announcement", self._round, again_s=AGAIN_S)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=EVERY_S)

    async def stop(self) -> None:
        """Leave off; how far it is stands in the database, and another worker or start goes on."""
        await self._background.stop()

    async def step(self) -> int | None:
        """One portion: how many were told, None when nothing is due. Raises UnavailableError."""
        told = await self._store.announce(limit=self._portion)
        SCORES_ANNOUNCED.inc(told or 0)
        return told

    async def _round(self) -> float:
        """One portion; how long to pause after it."""
        began_s = asyncio.get_running_loop().time()
        told = await self.step()
        return EVERY_S if told is None else SHARE * (asyncio.get_running_loop().time() - began_s)
