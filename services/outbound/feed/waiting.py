"""How long what is not in its topic has waited; every outbound process tells, also one that publishes nothing."""

from __future__ import annotations

import time
from typing import Final

from schemas.topics import ALERTS, SCORES
from services.infra.background import Background
from services.infra.metrics import OUTBOX_AGE_SECONDS
from services.outbound.feed.alert_steps import AlertSteps
from services.outbound.feed.changed_scores import FORGOTTEN, ChangedScores
from services.state.outbound import OutboundDatabase

EVERY_S: Final = 2.0
"""A scrape comes every 5 to 15 s; the question takes a millisecond."""


class Waiting:
    """The task that looks at what waits for as long as the process lives."""

    def __init__(self, database: OutboundDatabase) -> None:
        self._database = database
        self._background = Background("feed_waits", self.step, again_s=EVERY_S)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=0)

    async def stop(self) -> None:
        """Leave off."""
        await self._background.stop()

    async def step(self) -> float:
        """Look once; how long to wait for the next. Raises UnavailableError, and what is shown goes on growing."""
        await self._database.open()
        async with self._database.transaction() as transaction:
            feeds = transaction.feeds
            scores = [await feeds.changes_wait_for(ChangedScores.feed), await feeds.letters_wait_for(FORGOTTEN)]
            alerts = [await feeds.letters_wait_for(AlertSteps.feed)]
        now = time.monotonic()
        OUTBOX_AGE_SECONDS.set({SCORES: _since(now, scores), ALERTS: _since(now, alerts)})
        return EVERY_S


def _since(now: float, waits: list[float | None]) -> float | None:
    longest = max((one for one in waits if one is not None), default=None)
    return None if longest is None else now - longest
