"""How many people are in each band, for dashboards and for the alert on a growing share that is critical."""

from __future__ import annotations

from typing import Final

from services.infra.background import Background
from services.infra.metrics import SCORED_PERSONS
from services.state.outbound import OutboundDatabase

EVERY_S: Final = 300.0
"""All rows of people are read, a quarter of a second for a million; shares move in hours."""

AGAIN_S: Final = 30.0
"""After a round that failed, and before the first one, while the database is being reached."""


class PeopleCount:
    """The task that counts; several processes show the same."""

    def __init__(self, database: OutboundDatabase) -> None:
        self._database = database
        self._background = Background("people_count", self._round, again_s=AGAIN_S)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=0.0)

    async def stop(self) -> None:
        """Leave off."""
        await self._background.stop()

    async def _round(self) -> float:
        await self._database.open()
        async with self._database.transaction() as transaction:
            SCORED_PERSONS.set(await transaction.scores.persons_by_band())
        return EVERY_S
