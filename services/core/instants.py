"""Instants: RFC 3339 as it is read and written everywhere, microseconds since 1970, and the hour of a tally."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
SECOND_US: Final = 1_000_000
HOUR_US: Final = 3_600_000_000

INSTANT_PATTERN: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
"""A date, a time and an offset as RFC 3339 has them, a blank for the T as it allows; nanoseconds are read and cut to
microseconds."""

_PARTS: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,9}))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_DAY: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})?")
"""A day as promises have it, with the offset of its zone; without one it is a day of UTC."""
_LEAP_SECOND: Final = 60
_MINUTES_MAX: Final = 59


@lru_cache(maxsize=4096)
def parse_instant(text: str) -> datetime:
    """Return the instant in UTC; raises ValueError, with what to send, when there is no such instant."""
    match = _PARTS.fullmatch(text)
    if match is None:
        raise ValueError("must be an RFC 3339 time with an offset, such as 2026-03-01T12:00:00Z")
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    fraction, sign, hours, minutes = match.group(7, 8, 9, 10)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    # A leap second is the first instant of the next minute, as in POSIX time.
    leap = second == _LEAP_SECOND
    if int(minutes or 0) > _MINUTES_MAX:
        raise ValueError("must be an instant that exists: check the offset")
    try:
        moment = datetime(
            year, month, day, hour, minute, second - leap,
            int((fraction or "0").ljust(6, "0")[:6]),
            tzinfo=timezone(-offset if sign == "-" else offset),
        )  # fmt: skip
        return (moment + timedelta(seconds=leap)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("must be an instant that exists: check the date, the time and the offset") from error


def parse_due(text: str) -> datetime:
    """Return the instant by which something was promised: an instant, or a day, which ends with itself in its zone.

    Raises ValueError, with what to send, when it is neither.
    """
    day = _DAY.fullmatch(text)
    if day is None:
        try:
            return parse_instant(text)
        except ValueError as error:
            raise ValueError(f"{error}, or a day with its offset, such as 2026-03-01+01:00") from error
    try:
        return parse_instant(f"{day[1]}T00:00:00{day[2] or 'Z'}") + timedelta(days=1)
    except OverflowError as error:
        raise ValueError("must be a day that exists") from error


def write_instant(moment: datetime) -> str:
    """Return the instant in UTC with a Z, with microseconds only when there are some."""
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def instant_of(since_1970_us: int) -> datetime:
    """Give microseconds since 1970 as a time in UTC; raises OverflowError past the year 9999."""
    return EPOCH + timedelta(microseconds=since_1970_us)


def micros_of(at: datetime) -> int:
    """Give a time as microseconds since 1970, exact."""
    return (at - EPOCH) // MICROSECOND


def hour_of(at: datetime) -> int:
    """Give the whole hour that a time falls in, since 1970."""
    return micros_of(at) // HOUR_US
