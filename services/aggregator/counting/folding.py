"""Fold what chunks noted of their sources, every few seconds and beside the work."""

from __future__ import annotations

from typing import Final

from services.aggregator.counting.ports import Store
from services.infra.background import Background

EVERY_S: Final = 2.0
"""How old what is known of a source may be; nobody looks more often than each half minute."""

AGAIN_S: Final = 30.0
"""After a round that failed."""


class Folding:
    """The task that folds notes for as long as the worker lives."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._background = Background("notes", self._round, again_s=AGAIN_S)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=EVERY_S)

    async def stop(self) -> None:
        """Leave off; what is not folded is noted, and another worker or start will."""
        await self._background.stop()

    async def _round(self) -> float:
        """One round; how long to wait for the next."""
        return 0.0 if await self._store.fold_notes() else EVERY_S
