"""Decide whether to try the log at all, so that a dead one costs its callers nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

MISSES_MAX: Final = 3
"""One late answer is a slow partition; three in a row without an answer between them is a log that is away."""


class BreakerState(StrEnum):
    """Closed lets all through, open none, half-open one at a time."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


class Breaker:
    """A circuit breaker without a clock: its owner tells it what happened, and asks before each try."""

    def __init__(self) -> None:
        self.state = BreakerState.OPEN
        self.reason = "the log has not been reached yet"
        self._misses = 0
        self._trying = False

    def admits(self) -> bool:
        """Tell whether one more try may start; in the half-open state this claims the only one."""
        if self.state is BreakerState.CLOSED:
            return True
        if self.state is BreakerState.OPEN or self._trying:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """Note that the log took something: everything may pass."""
        self.state, self.reason, self._misses, self._trying = BreakerState.CLOSED, "", 0, False

    def missed(self, reason: str) -> None:
        """Note a try without an answer in time."""
        self._misses += 1
        if self.state is BreakerState.HALF_OPEN or self._misses >= MISSES_MAX:
            self.trip(reason)

    def given_up(self) -> None:
        """Note that a try ended before it could tell anything, so that another may start."""
        self._trying = False

    def trip(self, reason: str) -> None:
        """Let nothing pass until the log is seen again."""
        self.state, self.reason, self._trying = BreakerState.OPEN, reason, False

    def seen(self) -> None:
        """Note that the log answers questions: one append may try it."""
        if self.state is BreakerState.OPEN:
            self.state, self._trying = BreakerState.HALF_OPEN, False
