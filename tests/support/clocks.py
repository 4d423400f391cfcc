"""Clocks that stand until a test moves them."""

from __future__ import annotations


class StandingSeconds:
    """Counts seconds as `time.monotonic` does."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at
