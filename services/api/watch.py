"""Watch the database: whether it answers, and what became of all records."""

from __future__ import annotations

import asyncio
from typing import Final

from schemas.topics import EVENT_TOPICS
from services.infra.errors import UnavailableError
from services.infra.logs import get_logger
from services.infra.metrics import CONSERVATION_GAP, EVENTS
from services.state.database import ReadDatabase

EVERY_S: Final = 2.0
"""A scrape comes every 5 to 15 s; the question takes under a millisecond."""

log = get_logger(__name__)


class Watch:
    """Knows why the process is not ready, and shows the counts of the conservation law."""

    def __init__(self, database: ReadDatabase) -> None:
        self._database = database
        self._reason: str | None = "Postgres has not answered yet"

    def unready(self) -> str | None:
        """Tell why the process is not ready, or None."""
        return self._reason

    async def run(self) -> None:
        """Look again and again; ends only when cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Take the counts once and show them."""
        try:
            await self._database.open()
            async with self._database.snapshot() as snapshot:
                passed = await snapshot.progress.passed(EVENT_TOPICS)
        except UnavailableError as error:
            if self._reason != str(error):
                log.warning("postgres_away", reason=str(error))
            self._reason = str(error)
            return
        if self._reason is not None:
            log.info("postgres_answers")
        self._reason = None
        EVENTS.set(passed.outcomes._asdict())
        CONSERVATION_GAP.set(passed.gap)
