"""What to say of a touchpoint that nobody declared: it is kept, it counts little, and what was probably meant."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from services.infra.near import nearest

FOREIGN: Final = "x."
"""How names begin that somebody else made up; they are not meant to be declared."""

DECLARE: Final = "declare it in the file that TACTUS_CATALOGUE names (docs/how-to/own-touchpoints.md)"


def is_undeclared(touchpoint: str, declared: Collection[str]) -> bool:
    """Whether it is neither in the catalogue nor foreign."""
    return touchpoint not in declared and not touchpoint.startswith(FOREIGN)


def told(touchpoint: str) -> str:
    """What it means for its events."""
    return f"{touchpoint} is not in the catalogue: its events are kept and count little"


def remedy(touchpoint: str, declared: Collection[str]) -> str:
    """What to do about it."""
    near = nearest(touchpoint, declared)
    return DECLARE if near is None else f"did you mean {near}? If not, {DECLARE}"
