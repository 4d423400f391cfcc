"""Clocks that stand until a test moves them."""

from __future__ import annotations

from datetime import UTC, datetime

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class StandingSeconds:
    """Counts seconds as `time.monotonic` does."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class StandingClock:
    """Tells one time of the world."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now_us(self) -> int:
        return round(self.at.timestamp() * 1_000_000)
