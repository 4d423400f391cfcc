"""When a message is tried again, and when an endpoint is left alone. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from services.state.webhook_deliveries import Rests

WAITS_S: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""What the Standard Webhooks spec proposes: ten attempts within 75 hours and a half."""

ATTEMPTS_MAX: Final = len(WAITS_S) + 1

JITTER: Final = 0.1
"""Up to so much longer: messages that failed together do not all come back at once."""

RETRY_AFTER_S_MAX: Final = 86_400
"""Whoever asks for more is asked again after a day."""

RESTS: Final = Rests(failures=5, first=timedelta(seconds=10), longest=timedelta(minutes=15))
"""A receiver that restarts is back within ten seconds; one that is down gets four attempts an hour and no more."""

FAILING_MAX: Final = timedelta(days=5)
"""A long weekend and the day after; then somebody must look."""


def next_try(attempt: int, *, now: datetime, jitter: float, asked_s: float | None) -> datetime | None:
    """When to try again after this attempt has failed; None when there were enough.

    `jitter` is from 0 to 1; `asked_s` is what the receiver asked to wait at least.
    """
    if attempt >= ATTEMPTS_MAX:
        return None
    wait_s = WAITS_S[attempt - 1] * (1 + JITTER * jitter)
    return now + timedelta(seconds=max(wait_s, asked_s or 0.0))


def asked_wait_s(retry_after: str | None, *, now: datetime) -> float | None:
    """Read Retry-After, seconds or a date; None for what is neither, or lies behind us."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        wait_s = float(text)
    else:
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait_s = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    return min(wait_s, RETRY_AFTER_S_MAX) if wait_s > 0 else None
