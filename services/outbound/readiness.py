"""Whether the database answers, and how long what waits in the outbox has waited."""

from __future__ import annotations

import asyncio
from typing import Final

from services.infra.errors import UnavailableError
from services.infra.logs import get_logger
from services.state.outbound import OutboundDatabase

EVERY_S: Final = 2.0
"""A scrape comes every 5 to 15 s; the question takes under a millisecond."""

log = get_logger(__name__)


class Readiness:
    """Knows why the process is not ready."""

    def __init__(self, database: OutboundDatabase) -> None:
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
        """Ask the database once."""
        try:
            await self._database.open()
            async with self._database.transaction() as transaction:
                await transaction.feeds.settled_before()
        except UnavailableError as error:
            if self._reason != str(error):
                log.warning("postgres_away", reason=str(error))
            self._reason = str(error)
            return
        if self._reason is not None:
            log.info("postgres_answers")
        self._reason = None
