"""Say which touchpoint another system's name for something means; what nobody knows is kept under a name of its own."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

UNKNOWN_PREFIX: Final = "x."
"""Before what a source calls something that nobody declared."""

SLUG_CHARS_MAX: Final = 60
"""A sentence; a longer name is cut and told from others by its hash."""

REMEMBERED_MAX: Final = 4096
"""A source sends some dozens of names again and again; whoever makes names up only pushes others' out."""

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OTHER: Final = re.compile(r"[^a-z0-9]+")
_TOUCHPOINT: Final = re.compile(r"x(?:\.[a-z0-9][a-z0-9_-]*){1,4}")
_LETTERS: Final = str.maketrans(
    {"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ß": "ss", "æ": "ae", "œ": "oe"}
)


class Names:
    """What the names of some systems mean."""

    def __init__(self, meanings: Iterable[tuple[str, str]], *, declared: Iterable[str]) -> None:
        self._meanings: Mapping[str, str] = {slug(name): touchpoint for name, touchpoint in meanings}
        self._declared = frozenset(declared)
        self._touchpoint = lru_cache(maxsize=REMEMBERED_MAX)(self._look_up)

    def known(self, name: str) -> str | None:
        """Return the touchpoint of a name, however its words are joined, or None when nobody knows it."""
        known, touchpoint = self._touchpoint(name)
        return touchpoint if known else None

    def touchpoint(self, name: str) -> str:
        """Return the touchpoint of a name; an unknown one's is x. and its slug."""
        return self._touchpoint(name)[1]

    def _look_up(self, name: str) -> tuple[bool, str]:
        if name in self._declared:
            return True, name
        if _TOUCHPOINT.fullmatch(name) and len(name) <= SLUG_CHARS_MAX:
            return False, name
        words = slug(name)
        return words in self._meanings, self._meanings.get(words, UNKNOWN_PREFIX + words)


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
