"""Say which touchpoint another system's name for something means; what nobody knows is kept under a name of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from services.core.slugs import SLUG_CHARS_MAX, slug

UNKNOWN_PREFIX: Final = "x."
"""Before what a source calls something that nobody declared."""

REMEMBERED_MAX: Final = 4096
"""A source sends some dozens of names again and again; whoever makes names up only pushes others' out."""

_TOUCHPOINT: Final = re.compile(r"x(?:\.[a-z0-9][a-z0-9_-]*){1,4}")


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
