"""The one place where the time of day is read."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time of day; a test passes its own."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z."""


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1000  # noqa: TID251 - this is the Clock
