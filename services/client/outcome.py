"""What became of events that a command sends: counts, and each reason of refusal with its first case."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from services.client.events import Verdict

REASONS_MAX: Final = 20
"""Kinds of refusal told one by one; a person reads no more, and the rest is counted together."""

OTHERS: Final = "for other reasons"


@dataclass(slots=True)
class Refusals:
    """How often something was refused for one reason, and the first that was."""

    first: str
    count: int = 0


@dataclass(slots=True)
class Outcome:
    """How far the sending is."""

    sent: int = 0
    accepted: int = 0
    rejected: int = 0
    reasons: dict[str, Refusals] = field(default_factory=dict)
    started_s: float = field(default_factory=time.monotonic)

    @property
    def judged(self) -> int:
        """How many have their verdict."""
        return self.accepted + self.rejected

    @property
    def rate(self) -> float:
        """Verdicts a second."""
        return self.judged / max(time.monotonic() - self.started_s, 1e-3)

    def judge(self, verdicts: Sequence[Verdict]) -> None:
        """Count the door's verdicts."""
        for verdict in verdicts:
            if verdict.accepted:
                self.accepted += 1
            else:
                self.reject(verdict.reason, which=f"event {verdict.id}")

    def reject(self, reason: str, *, which: str) -> None:
        """Count one that is not in the log and why."""
        self.rejected += 1
        kind = reason if reason in self.reasons or len(self.reasons) < REASONS_MAX else OTHERS
        self.reasons.setdefault(kind, Refusals(first=which)).count += 1

    def lines(self) -> list[str]:
        """The counts, the reasons first, for people."""
        told = sorted(self.reasons.items(), key=lambda item: -item[1].count)
        return [
            *(f"rejected {refusals.count}: {reason} (first: {refusals.first})" for reason, refusals in told),
            f"sent {self.sent}, accepted {self.accepted}, rejected {self.rejected}, {self.rate:.0f} events/s",
        ]
