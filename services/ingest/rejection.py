"""What is wrong with one event of a request: it is rejected, and becomes a dead letter."""

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


class Rejected(NamedTuple):
    """One event is rejected; `detail` says what to mend and never repeats the input."""

    reason: Reason
    detail: str
