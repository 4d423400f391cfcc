"""Read what clients write loosely: ids as numbers, numbers as texts, times in several forms. What cannot be read is None."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

from schemas.touchpoint import ID_PATTERN
from services.core.instants import instant_of, parse_instant, write_instant

_ID: Final = re.compile(ID_PATTERN)
_ZONELESS: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?")
_DIGITS: Final = re.compile(r"[0-9]{9,16}")

_MILLISECONDS_MIN: Final = 100_000_000_000
"""A number above this counts milliseconds since 1970, not seconds: as seconds it would lie in the year 5138."""

_MILLISECONDS_MAX: Final = 253_402_300_799_000
"""The last second of the year 9999."""


def members(value: object) -> dict[str, Any]:
    """Give an object's members; what is none has none."""
    return value if isinstance(value, dict) else {}


def inside(value: object, path: str) -> object:
    """Give what stands under a path of members, such as billing.email; None where there is nothing."""
    for name in path.split("."):
        value = members(value).get(name)
    return value


def word(value: object) -> str | None:
    """Give a text that is not empty, or an id that its sender keeps as a number."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text if isinstance(text, str) and text.strip() else None


def event_id(value: object) -> str | None:
    """Give what can be an event's id, an order's or a case's."""
    text = word(value)
    return text if text is not None and _ID.fullmatch(text) else None


def number(value: object) -> float | None:
    """Give a number, also one that its sender keeps as a text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def instant(value: object) -> str | None:
    """Give a time in RFC 3339: as it is, without a zone for UTC, or in seconds or milliseconds since 1970."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, str):
        text = f"{value}Z" if _ZONELESS.fullmatch(value) else value
        try:
            parse_instant(text)
        except ValueError:
            return None
        return text
    since_1970 = number(value)
    if since_1970 is None or not 0 < since_1970 < _MILLISECONDS_MAX:
        return None
    return write_instant(instant_of(round(since_1970 * (1000 if since_1970 >= _MILLISECONDS_MIN else 1_000_000))))


def earlier(time: str, seconds: float) -> str:
    """Give the time so many seconds before."""
    try:
        return write_instant(parse_instant(time) - timedelta(seconds=seconds))
    except OverflowError:
        return time
