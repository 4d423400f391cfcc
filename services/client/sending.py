"""How far a sending is: counts, and each reason for which events were rejected with its first case."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from services.client.events import Reply

REASONS_MAX: Final = 20
"""Reasons told one by one; a person reads no more, and the rest is counted together."""

OTHERS: Final = "for other reasons"


@dataclass(slots=True)
class Rejections:
    """How many events were rejected for one reason, and the first that was."""

    first: str
    count: int = 0


@dataclass(slots=True)
class Sending:
    """The events that a command sends: how many are out, and what the door answered about them."""

    sent: int = 0
    accepted: int = 0
    rejected: int = 0
    reasons: dict[str, Rejections] = field(default_factory=dict)
    started_s: float = field(default_factory=time.monotonic)

    @property
    def answered(self) -> int:
        """How many have their reply."""
        return self.accepted + self.rejected

    @property
    def rate(self) -> float:
        """Replies a second."""
        return self.answered / max(time.monotonic() - self.started_s, 1e-3)

    def take(self, replies: Sequence[Reply]) -> None:
        """Count the door's replies."""
        for reply in replies:
            if reply.accepted:
                self.accepted += 1
            else:
                self.reject(reply.reason, which=f"event {reply.id}")

    def reject(self, reason: str, *, which: str) -> None:
        """Count one that is not in the log and why."""
        self.rejected += 1
        kind = reason if reason in self.reasons or len(self.reasons) < REASONS_MAX else OTHERS
        self.reasons.setdefault(kind, Rejections(first=which)).count += 1

    def lines(self) -> list[str]:
        """The counts, the reasons first, for people."""
        told = sorted(self.reasons.items(), key=lambda item: -item[1].count)
        return [
            *(f"rejected {rejections.count}: {reason} (first: {rejections.first})" for reason, rejections in told),
            f"sent {self.sent}, accepted {self.accepted}, rejected {self.rejected}, {self.rate:.0f} events/s",
        ]
