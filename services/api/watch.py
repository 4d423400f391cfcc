"""Watch the database: whether it answers, and what became of all records."""

from __future__ import annotations

import asyncio
from typing import Final

from services.infra.errors import UnavailableError
from services.infra.logs import get_logger
from services.infra.metrics import CONSERVATION_GAP, EVENTS
from services.state.snapshot import CustomerStore

EVERY_S: Final = 2.0
"""A scrape comes every 5 to 15 s; the question takes under a millisecond."""

log = get_logger(__name__)


class Watch:
    """Knows why the process is not ready, and shows the counts of the conservation law."""

    def __init__(self, store: CustomerStore) -> None:
        self._store = store
        self._reason: str | None = "Postgres has not answered yet"

    def unready(self) -> str | None:
        """Tell why the process is not ready, or None."""
        return self._reason

    async def run(self) -> None:
        """Look again and again; ends only when cancelled."""
        await self._store.open()
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Take the counts once and show them."""
        try:
            async with self._store.reading() as reading:
                counts = await reading.event_counts()
        except UnavailableError as error:
            if self._reason is None:
                log.warning("postgres_away", reason=str(error))
            self._reason = str(error)
            return
        if self._reason is not None:
            log.info("postgres_answers")
        self._reason = None
        outcomes = counts._asdict()
        passed = outcomes.pop("passed")
        EVENTS.set(outcomes)
        CONSERVATION_GAP.set(passed - sum(outcomes.values()))
