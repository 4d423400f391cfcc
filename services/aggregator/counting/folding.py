"""Fold what chunks noted of their sources, every few seconds and beside the work."""

from __future__ import annotations

from typing import Final

from services.aggregator.counting.background import Background
from services.aggregator.counting.ports import Store
from services.infra.errors import UnavailableError
from services.infra.logs import get_logger

log = get_logger(__name__)

EVERY_S: Final = 2.0
"""How old what is known of a source may be; nobody looks more often than each half minute."""

AGAIN_S: Final = 30.0
"""After a round that failed."""


class Folding:
    """The task that folds notes for as long as the worker lives."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._background = Background("folding", self._round)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=EVERY_S)

    async def stop(self) -> None:
        """Leave off; what is not folded is noted, and another worker or start will."""
        await self._background.stop()

    async def _round(self) -> float:
        """One round; how long to wait for the next."""
        try:
            return 0.0 if await self._store.fold_notes() else EVERY_S
        except UnavailableError as error:
            log.warning("notes_put_off", because=str(error), again_in_s=AGAIN_S)
        except Exception:
            # Whatever it is, counting goes on, and the notes wait: `tactus doctor` counts them.
            log.exception("notes_not_folded", again_in_s=AGAIN_S)
        return AGAIN_S
