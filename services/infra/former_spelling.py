"""How addresses and numbers were spelt before `spelling`: what was hashed then can only be found under that hash.

Never change it: it says what stands in databases.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from services.infra.spelling import EMAIL, PHONE

PHONE_DIGITS_MIN: Final = 5
"""Fewer were refused."""

_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+")
_NOT_DIGIT: Final = re.compile(r"[^0-9]")


def formerly_spelt(kind: str, value: str) -> str | None:
    """Return how an `email` or a `phone` was spelt; None when it was refused, or is neither."""
    if kind == EMAIL:
        address = unicodedata.normalize("NFC", value).strip().casefold()
        return address if _ADDRESS.fullmatch(address) else None
    if kind != PHONE:
        return None
    digits = _NOT_DIGIT.sub("", value)
    if len(digits) < PHONE_DIGITS_MIN:
        return None
    if value.lstrip().startswith("+"):
        return f"+{digits}"
    return f"+{digits[2:]}" if digits.startswith("00") else digits
