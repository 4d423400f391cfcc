"""What a model weighs by, apart from what its touchpoints mean: numbers alone, so that they can be stored and changed."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from services.core.bands import BANDS, Bands
from services.core.valence import reach

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.core.valence import Valence


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The numbers of the score's formula; SCORING's section 3 gives each its source."""

    lambda_: float = 2.0
    beta: float = 0.5
    kappa: float = 3.0
    prior: float = 0.5
    cap: float = 2.0
    half_life_days: float = 30.0
    factor_decision_maker: float = 3.0
    """How many times a contact of this role counts in its account's score; a customer's own is read without."""
    factor_champion: float = 2.0
    factor_user: float = 1.0


class Stretch(NamedTuple):
    """By what the valence of a touchpoint is multiplied in the read, on its good and on its bad side."""

    good: float
    bad: float


UNSTRETCHED: Final = Stretch(1.0, 1.0)


class Calibration(NamedTuple):
    """How likely a bad outcome is at a score: straight between the knots, level beyond the first and the last."""

    scores: tuple[float, ...]
    """Rising."""
    risks: tuple[float, ...]
    """Never rising: a better score is never the greater risk."""

    def at(self, score: float) -> float:
        """Give the probability of a bad outcome at a score."""
        right = bisect_right(self.scores, score)
        if right in {0, len(self.scores)}:
            return self.risks[min(right, len(self.risks) - 1)]
        (low, high), (before, after) = self.scores[right - 1 : right + 1], self.risks[right - 1 : right + 1]
        share = (score - low) / (high - low)
        # Weighed, not stepped from one end: the last bit must not lead past a knot.
        return min(before, max(after, before * (1 - share) + after * share))


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """All that a model weighs by, under its version; touchpoints that it does not name weigh as undeclared ones do."""

    version: str
    parameters: Parameters
    weights: Mapping[str, float]
    stretches: Mapping[str, Stretch] = field(default_factory=dict)
    """Of the touchpoints whose valence is scaled."""
    calibration: Calibration | None = None
    bands: Bands = BANDS
    place_past: float = 0.0
    """The stake of what whoever orders at a place hears of it; 0: nothing is heard."""


def stretch(scale: float, valence: Valence) -> Stretch:
    """Scale a valence as far as its strongest event stays within [−1, 1], on each side by itself.

    Within a tally single events can no longer be told apart, so the scale is held back and never the sums: whatever is
    added, good evidence only grows with good events and bad with bad ones.
    """
    good, bad = (scale if end * scale <= 1 else 1 / end for end in reach(valence))
    return Stretch(good, bad)
