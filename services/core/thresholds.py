"""From where on a fall of a score is worth an alert (SCORING, section 4)."""

from __future__ import annotations

from typing import Final, NamedTuple


class Thresholds(NamedTuple):
    """From where on a fall is worth an alert."""

    points: float
    """So far the score fell."""
    evidence: float
    """So much bad evidence the hours have of their own: one mishap of usual weight has two."""


USUAL: Final = Thresholds(10.0, 2.4)
SENSITIVE: Final = Thresholds(5.0, 1.2)
