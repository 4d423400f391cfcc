"""Read what the webhooks of all carriers tell of a parcel: who carries it, and when it was promised."""

from __future__ import annotations

import re
from typing import Final

from schemas.touchpoint import PLACE_CHARS_MAX, PLACE_PATTERN
from services.ingest.loose import instant, word

TRACKING: Final = "x-tracking"
"""A carrier knows no customer: its parcel is about whoever the shop's own events link to the parcel's number."""

_PLACE: Final = re.compile(PLACE_PATTERN)
_MIDNIGHT: Final = "00:00:00"


def carrier_place(name: object) -> str | None:
    """Give the place of a carrier, in small letters: vendors spell one carrier in several ways."""
    place = f"carrier/{(word(name) or '').lower()}"
    return place if len(place) <= PLACE_CHARS_MAX and _PLACE.fullmatch(place) else None


def promised_at(expected: object) -> str | None:
    """Give the time of a promise, if it is one: a promise of a day is written as its midnight, and is kept all day."""
    if not isinstance(expected, str) or instant(expected) != expected:
        return None
    return None if expected[11:19] == _MIDNIGHT else expected
