"""Why one event of a request is rejected; it becomes a dead letter, unless it may be sent again as it is."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why one event is rejected; the names of dead letters and of verdicts."""

    MALFORMED = "malformed-json"
    TOO_DEEP = "too-deep"
    TOO_LARGE = "too-large"
    OUT_OF_RANGE = "out-of-range"
    INVALID = "invalid-event"
    IDENTITY = "invalid-identity"
    TWO_CUSTOMERS = "two-customers"
    NOT_ALLOWED = "not-allowed"
    TOO_OLD = "too-old"
    TOO_MANY = "rate-limited"
    MASKED = "masked"
    """Of a dead letter that is sent again: what was removed from it counts."""


class Rejected(NamedTuple):
    """One event is rejected; `detail` says what to mend and never repeats the input."""

    reason: Reason
    detail: str
    retry_after_s: int = 0
    """Seconds after which the same event may be sent again; 0 where that would change nothing."""
