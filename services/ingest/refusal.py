"""What the door says no to: a whole request, or one event of it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Refused(NamedTuple):
    """A whole request is refused: a row of the table of problems, and perhaps more exact words."""

    slug: str
    detail: str = ""


class Reason(StrEnum):
    """Why one event is refused; the names of dead letters and of verdicts."""

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
    """One event is refused; `detail` says what to mend and never repeats the input."""

    reason: Reason
    detail: str
