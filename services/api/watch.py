"""Watch the database: whether it answers, what became of all records, and which model weighs."""

from __future__ import annotations

import asyncio
from typing import Final

from schemas.topics import EVENT_TOPICS
from services.infra.errors import UnavailableError
from services.infra.logs import get_logger
from services.infra.metrics import (
    ACTIVATION_PERSONS,
    ACTIVATION_STILL_SECONDS,
    ACTIVE_MODEL,
    CONSERVATION_GAP,
    EVENTS,
    REBUILD_STILL_SECONDS,
    RETENTION_DONE_AT,
    RETENTION_REMOVED,
    SCORES_OLDEST_AT,
)
from services.state.activation import Status
from services.state.database import ReadDatabase

EVERY_S: Final = 2.0
"""A scrape comes every 5 to 15 s; the question takes under a millisecond."""

HOUR_S: Final = 3600

log = get_logger(__name__)


class Watch:
    """Knows why the process is not ready, and shows the counts of the conservation law and the models."""

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
                active = await snapshot.models.active()
                activations = await snapshot.activations.status(limit=1)
                rebuild_still_s = await snapshot.rebuilds.still_s()
                walks = await snapshot.retention.walks()
                oldest = await snapshot.ageing.oldest()
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
        ACTIVE_MODEL.set({} if active is None else {active.version: 1})
        RETENTION_REMOVED.set({one.subject: one.removed for one in walks})
        RETENTION_DONE_AT.set({one.subject: one.ended_at.timestamp() for one in walks})
        REBUILD_STILL_SECONDS.set(rebuild_still_s or 0)
        show_oldest(oldest)
        show_activation(next((one for one in activations if one.under_way), None))


def show_oldest(hour: int | None) -> None:
    """Show of when the oldest stored score is; before the first walk nobody's is old."""
    if hour is None:
        SCORES_OLDEST_AT.set_to_current_time()
    else:
        SCORES_OLDEST_AT.set(hour * HOUR_S)


def show_activation(status: Status | None) -> None:
    """Show how far a model is that takes over."""
    if status is None:
        ACTIVATION_PERSONS.set({})
        ACTIVATION_STILL_SECONDS.set(0)
        return
    ACTIVATION_PERSONS.set({"done": status.done, "left": max((status.total or 0) - status.done, 0)})
    ACTIVATION_STILL_SECONDS.set(status.still_s)
