"""Make names of what others call things."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

SLUG_CHARS_MAX: Final = 60
"""A sentence; a longer name is cut and told from others by its hash."""

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OTHER: Final = re.compile(r"[^a-z0-9]+")
_LETTERS: Final = str.maketrans(
    {"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ß": "ss", "æ": "ae", "œ": "oe"}
)


def slug(name: str) -> str:
    """Return a name in a-z, 0-9 and _: Order Completed, order_completed and orderCompleted are one."""
    plain = unicodedata.normalize("NFKD", name[: 8 * SLUG_CHARS_MAX].translate(_LETTERS))
    words = _OTHER.sub("_", _HUMP.sub("_", plain.encode("ascii", "ignore").decode()).lower()).strip("_")
    is_whole = len(words) <= SLUG_CHARS_MAX and len(name) <= 8 * SLUG_CHARS_MAX
    if words and is_whole and _says_enough(name, words):
        return words
    told_apart = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{words[: SLUG_CHARS_MAX - 9]}_{told_apart}".strip("_")


def _says_enough(name: str, words: str) -> bool:
    """Tell whether a name's letters are still there: names in another alphabet would all be one."""
    letters = sum(character.isalnum() for character in name)
    return letters <= 2 * len(words)
