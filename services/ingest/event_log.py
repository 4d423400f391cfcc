"""What the door needs of the log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from services.infra.kafka import LogRecord


class EventLog(Protocol):
    """A durable, bounded log; one contract suite runs on the in-memory one and on Kafka."""

    async def append(self, records: Sequence[LogRecord]) -> Collection[int]:
        """Return when every record is durable, but those at the returned positions: they are too large for their topic.

        Raises UnavailableError when the log is away or too full, at the latest at its deadline; what was sent may be
        in the log all the same.
        """

    def bytes_max(self, topic: str) -> int:
        """Tell how large a record of the topic may be, with all that stands around it."""

    def unready(self) -> str | None:
        """Tell why an append would be refused at once, or None."""
