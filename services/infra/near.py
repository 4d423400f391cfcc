"""What a person probably meant by a word that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that looks most like this one; None when none does."""
    return next(iter(get_close_matches(word, list(known), n=1)), None)


def hint(word: str, known: Iterable[str], *, otherwise: str) -> str:
    """Ask whether that was meant; `otherwise` is said where nothing looks like it."""
    near = nearest(word, known)
    return otherwise if near is None else f"did you mean {near}?"
