"""Instants as microseconds since 1970, and the hour that a tally is kept for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
HOUR_US: Final = 3_600_000_000


def instant_of(since_1970_us: int) -> datetime:
    """Give microseconds since 1970 as a time in UTC; raises OverflowError past the year 9999."""
    return EPOCH + timedelta(microseconds=since_1970_us)


def micros_of(at: datetime) -> int:
    """Give a time as microseconds since 1970, exact."""
    return (at - EPOCH) // MICROSECOND
