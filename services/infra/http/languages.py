"""Which language a request would like to be answered in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

HEADER_CHARS_MAX: Final = 512
"""Browsers send some 50; what is longer asks for nothing."""

_ITEM: Final = re.compile(r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]*)?\s*(?:;\s*[qQ]\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?")


def language_of(accept_language: str | None, languages: Sequence[str]) -> str:
    """Return the language that an Accept-Language header likes best of these; the first of them where it likes none.

    `pl-PL` likes `pl`; of equal weights the earlier one is liked more; what cannot be read is passed over.
    """
    best, weight = languages[0], 0.0
    for item in (accept_language or "")[:HEADER_CHARS_MAX].split(","):
        read = _ITEM.fullmatch(item)
        if read is None:
            continue
        liked = float(read[2] or 1)
        language = languages[0] if read[1] == "*" else read[1].lower()
        if language in languages and liked > weight:
            best, weight = language, liked
    return best
