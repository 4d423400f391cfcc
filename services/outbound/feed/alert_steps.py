"""From the outbox to the topic of alerts: each step as it was written, in the order in which it became certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from schemas.topics import ALERTS
from services.infra.kafka import TopicRecord
from services.outbound.feed.batch import Batch
from services.state.feeds import Position
from services.state.outbound import OutboundTransaction

LETTERS: Final = 1000
"""Published at once: each may hold twenty reasons, some 8 KB."""


class AlertSteps:
    """Reads the outbox; what is for another topic is passed over."""

    feed = "alerts"
    beside: Sequence[str] = ()
    of_states = False

    async def next(self, transaction: OutboundTransaction, positions: Mapping[str, Position]) -> Batch | None:
        """The next steps of alerts."""
        letters = await transaction.feeds.outgoing(positions[self.feed], limit=LETTERS)
        if not letters:
            return None
        steps = [one.letter for one in letters if one.letter.topic == ALERTS]
        records = [TopicRecord(step.topic, step.key.encode(), step.value) for step in steps]
        return Batch(records, {self.feed: letters[-1].position})
