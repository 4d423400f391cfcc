"""How wrong the till's clock is, by the Date of answers. Pure."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from services.till.limits import CLOCK_ERROR_S

DATE_STEP_S: Final = 1.0
"""A Date header tells whole seconds, cut off: the moment lies half a second later in the mean."""


class ClockError(NamedTuple):
    """How far the clock is ahead (or, below zero, behind), and how well that is known."""

    ahead_s: float
    within_s: float

    @property
    def matters(self) -> bool:
        """Whether the clock is surely wrong by more than a Date header can tell."""
        return abs(self.ahead_s) - self.within_s > CLOCK_ERROR_S


def clock_error(date: str | None, *, sent_at_s: float, took_s: float) -> ClockError | None:
    """Compare a Date with this clock's time in the middle of the way; None when there is no Date.

    `sent_at_s` is this clock's time of sending, in seconds since 1970, and `took_s` how long the answer took by a clock
    that cannot be set: it was dated somewhere within that.
    """
    try:
        dated_s = parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    ahead_s = sent_at_s + took_s / 2 - (dated_s + DATE_STEP_S / 2)
    return ClockError(round(ahead_s, 3), round((took_s + DATE_STEP_S) / 2, 3))


def in_words(error: ClockError) -> str:
    """Say it to people."""
    return f"{abs(error.ahead_s):.0f} s {'ahead' if error.ahead_s > 0 else 'behind'}"
