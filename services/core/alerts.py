"""The life of an alert: when it opens, grows worse, closes, or turns out never to have been; pure, by SCORING section 4."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from services.core.drops import Fall
    from services.core.thresholds import Thresholds

DROP: Final = "drop"
BAD_ANSWER: Final = "bad_answer"
OVERDUE: Final = "overdue"

WARNING: Final = "warning"
CRITICAL: Final = "critical"

HELD_H: Final = 24
"""So long a score must have regained half of its fall."""

QUIET_H: Final = 14 * 24
"""So long without another reason to open an alert is given up."""

COOLDOWN_H: Final = 96
"""So long after one has closed none opens for the same score."""

OVERDUE_WORSE_H: Final = 24
"""So long after it opened, an alert of a promise that is still overdue is critical."""


class Happening(StrEnum):
    """What has just happened to an alert."""

    OPENED = "opened"
    WORSENED = "worsened"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class Course(NamedTuple):
    """How an open alert stands, and what its rule remembers; hours since 1970."""

    rule: str
    severity: str
    opened: int
    target: float
    """The score that has regained half of the fall."""
    regained: int | None
    """Since when it was at least that whenever somebody looked."""
    fell: int
    """When the score was last as it must be to open an alert."""


class Held(NamedTuple):
    """How the promise stands whose alert it is."""

    open: bool
    """It is overdue as it was, and nothing has kept or ended it."""
    ended: bool
    """It came to nothing: an order was cancelled, or nobody waits any more."""


def alert_id(*parts: str) -> UUID:
    """Name an alert by its rule and what tipped it: the same cause never raises a second one."""
    return UUID(bytes=hashlib.blake2b("\0".join(parts).encode(), digest_size=16).digest())


def opened(rule: str, fall: Fall, *, hour: int) -> Course:
    """Open an alert."""
    target = fall.score + max(0.0, fall.before - fall.score) / 2
    return Course(rule, CRITICAL if fall.critical else WARNING, hour, target, None, hour)


def cools(closed: int, *, hour: int) -> bool:
    """Tell whether an alert that was closed at an hour still keeps the next one from opening."""
    return hour < closed + COOLDOWN_H


def looked(
    course: Course, fall: Fall, *, hour: int, thresholds: Thresholds, late: bool, promise: Held | None = None
) -> tuple[Course, Happening | None]:
    """Go on with an open alert at an hour: how it stands, and what has happened to it, if anything.

    What comes late may close it and never makes it worse. An hour before that of its opening counts as that one.
    """
    hour = max(hour, course.opened)
    course = _remembering(course, fall, hour=hour, thresholds=thresholds)
    if _is_over(course, hour=hour, promise=promise):
        return course, Happening.CLOSED
    if course.severity == WARNING and not late and _is_worse(course, fall, hour=hour, promise=promise):
        return course._replace(severity=CRITICAL), Happening.WORSENED
    return course, None


def never_was(fall_then: Fall, *, thresholds: Thresholds) -> bool:
    """Tell, by the read at the hour of its opening with all that is known since, whether it should not have opened."""
    return not fall_then.tips(thresholds)


def _remembering(course: Course, fall: Fall, *, hour: int, thresholds: Thresholds) -> Course:
    if course.rule == BAD_ANSWER:
        return course
    regained = None
    if fall.score >= course.target:
        regained = hour if course.regained is None else min(course.regained, hour)
    return course._replace(regained=regained, fell=max(course.fell, hour) if fall.tips(thresholds) else course.fell)


def _is_over(course: Course, *, hour: int, promise: Held | None) -> bool:
    if promise is not None and not promise.open and not promise.ended:
        return True
    if course.regained is not None and hour - course.regained >= HELD_H:
        return True
    return hour - course.fell >= QUIET_H


def _is_worse(course: Course, fall: Fall, *, hour: int, promise: Held | None) -> bool:
    if fall.critical and course.rule != BAD_ANSWER:
        return True
    return promise is not None and promise.open and hour - course.opened >= OVERDUE_WORSE_H
