"""How many calls a system still gives us: a burst that fills up again, and a day that never forgets. Pure."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final, NamedTuple

HOURS_OF_A_DAY: Final = 24


class Budget(NamedTuple):
    """What an operator lets us use of what the vendor gives."""

    burst_calls: int
    burst_s: float
    day_calls: int


class Spent(NamedTuple):
    """What has been used of it."""

    burst_level: float
    burst_at: datetime | None
    day_calls: int
    """In the last 24 hours, each counted whole."""


class Granted(NamedTuple):
    """Calls may be made, and what is used then."""

    burst_level: float
    at: datetime


class Wait(NamedTuple):
    """They may not, for so long."""

    seconds: float
    because: str


def ask(budget: Budget, spent: Spent, *, calls: int, now: datetime) -> Granted | Wait:
    """Ask for calls.

    Half of a burst may be made at once and the other half is paid back over its time, so no window of that length, wherever
    it begins, holds more than the whole. A day is any 24 hours.
    """
    if spent.day_calls + calls > budget.day_calls:
        rest = 3600 - (now.timestamp() % 3600)
        return Wait(rest, f"the budget of {budget.day_calls} calls a day is used up")
    room = max(budget.burst_calls / 2, float(calls))
    rate = budget.burst_calls / 2 / budget.burst_s
    level = spent.burst_level
    if spent.burst_at is not None:
        level = max(0.0, level - rate * max(0.0, (now - spent.burst_at).total_seconds()))
    over = level + calls - room
    if over > 1e-9:  # noqa: PLR2004 -- the last bits of what was paid back
        return Wait(math.ceil(over / rate * 1000) / 1000, f"the budget of {budget.burst_calls} calls is used up")
    return Granted(level + calls, now)


def day_begins(now: datetime) -> int:
    """The hour after which calls count for the day that ends now."""
    return int(now.timestamp()) // 3600 - HOURS_OF_A_DAY
