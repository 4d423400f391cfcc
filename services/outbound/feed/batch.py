"""What is read of the database at once to be published, and how far the feeds are once it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from services.infra.kafka import TopicRecord
from services.state.feeds import Position
from services.state.outbound import OutboundTransaction


class Batch(NamedTuple):
    """Records, and where each feed stands when they are in the log."""

    records: Sequence[TopicRecord]
    positions: Mapping[str, Position]


class Reading(Protocol):
    """Reads what comes after given positions."""

    @property
    def feed(self) -> str:
        """The feed whose holder publishes."""

    @property
    def beside(self) -> Sequence[str]:
        """Feeds that move with it."""

    @property
    def of_states(self) -> bool:
        """Whether it tells how things stand, so that whoever begins to follow must be told of everybody."""

    async def next(self, transaction: OutboundTransaction, positions: Mapping[str, Position]) -> Batch | None:
        """What to publish next; None when everything is."""
