"""Read what the webhooks of all carriers tell of a parcel: who carries it, which it is, and when it was promised."""

from __future__ import annotations

import re
from typing import Final

from schemas.touchpoint import PLACE_CHARS_MAX, PLACE_PATTERN
from services.ingest.loose import instant, word

TRACKING: Final = "x-tracking"
"""A carrier knows no customer: its parcel is about whoever the shop's own events link to the parcel's number."""

_PLACE: Final = re.compile(PLACE_PATTERN)
_MIDNIGHT: Final = re.compile(r"(\d{4}-\d{2}-\d{2})T00:00:00(?:\.0+)?(Z|[+-]\d{2}:\d{2})")
_PROMISING: Final = frozenset({"delivery.dispatched", "delivery.delay_notified", "delivery.delivered"})
"""What says when a parcel comes, or comes by then or not."""


def carrier_place(name: object) -> str | None:
    """Give the place of a carrier, in small letters: vendors spell one carrier in several ways."""
    place = f"carrier/{(word(name) or '').lower()}"
    return place if len(place) <= PLACE_CHARS_MAX and _PLACE.fullmatch(place) else None


def parcel_of(touchpoint: str, *, number: object, expected: object) -> dict[str, str] | None:
    """Give the properties of an event of a parcel: which it is, and by when it comes if that says something of it."""
    promised = promised_at(expected) if touchpoint in _PROMISING else None
    said = {"parcel": word(number), "promised_at": promised}
    return {name: value for name, value in said.items() if value is not None} or None


def promised_at(expected: object) -> str | None:
    """Give the promise, if it is one: a day is written as its midnight, and is kept all day in the zone it names."""
    if not isinstance(expected, str) or instant(expected) != expected:
        return None
    midnight = _MIDNIGHT.fullmatch(expected)
    return expected if midnight is None else midnight[1] + midnight[2]
