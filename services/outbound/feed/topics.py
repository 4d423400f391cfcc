"""The part of the outbound process that keeps the topics of scores and alerts."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from services.infra.kafka import FencedProducer
from services.infra.settings import Settings
from services.outbound.feed.alert_steps import AlertSteps
from services.outbound.feed.batch import Reading
from services.outbound.feed.changed_scores import ChangedScores
from services.outbound.feed.publishing import Publishing
from services.outbound.feed.waiting import Waiting
from services.state.outbound import OutboundDatabase

DEADLINE_S: Final = 20.0
"""For a batch to be in the log for good; brokers that are there take hundredths of a second."""

NAMES: Final = "tactus-feed-"
"""How transactional ids begin, for whoever gives rights."""


class TopicFeed:
    """Publishes scores and alerts, each by a task of its own, while this process holds them."""

    def __init__(self, database: OutboundDatabase, settings: Settings) -> None:
        holder = uuid4()
        readings: tuple[Reading, ...] = (ChangedScores(), AlertSteps())
        publishing = [
            Publishing(
                database,
                FencedProducer(settings.kafka, name=NAMES + reading.feed, deadline_s=DEADLINE_S),
                reading,
                holder=holder,
                lease_s=settings.outbound.lease_s,
            )
            for reading in readings
        ]
        self._parts: tuple[Publishing | Waiting, ...] = (*publishing, Waiting(database))

    def start(self) -> None:
        """Go on in the background."""
        for part in self._parts:
            part.start()

    async def stop(self) -> None:
        """Leave off; what is not published waits for the next start, or for another process."""
        for part in self._parts:
            await part.stop()
