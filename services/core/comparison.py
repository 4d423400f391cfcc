"""Two models on the same people: how many change band, who moves most, and whose low scores foresee bad outcomes."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from services.core.bands import Bands
    from services.core.scoring import Reading

    Floats = NDArray[np.float64]

MOVERS_MAX: Final = 10
"""Somebody looks into each of them."""


class Mover(NamedTuple):
    """Somebody whose score differs between two models; movers compare by how much."""

    distance: float
    customer: str
    one: float
    other: float


class Comparison:
    """Adds up, in memory that does not grow with the people."""

    def __init__(self, one: Bands, other: Bands) -> None:
        """Take the bands of the first and of the second model."""
        self.bands = one, other
        self.matrix = np.zeros((len(one.names), len(other.names)), dtype=np.int64)
        """How many are in which band by the first model (rows) and by the second (columns)."""
        self.distance = 0.0
        """How far the scores lie apart, in points, of everybody together."""
        self._movers: list[Mover] = []

    def add(self, customers: Sequence[str], one: Reading[Floats], other: Reading[Floats]) -> None:
        """Add people as both models read them."""
        read = (one, other)
        places = tuple(bands.numbers(each.score, each.confidence) for bands, each in zip(self.bands, read, strict=True))
        np.add.at(self.matrix, places, 1)
        distance = np.abs(other.score - one.score)
        self.distance += float(distance.sum())
        for place in np.argsort(-distance, kind="stable")[:MOVERS_MAX].tolist():
            moved = Mover(float(distance[place]), customers[place], float(one.score[place]), float(other.score[place]))
            if moved.distance > 0:
                (heapq.heappush if len(self._movers) < MOVERS_MAX else heapq.heappushpop)(self._movers, moved)

    @property
    def persons(self) -> int:
        """How many were added."""
        return int(self.matrix.sum())

    @property
    def changed(self) -> int:
        """How many of them are in a band of another name by the second model."""
        one, other = (np.array(bands.names) for bands in self.bands)
        return self.persons - int(self.matrix[one[:, None] == other[None, :]].sum())

    @property
    def movers(self) -> list[Mover]:
        """Those whose scores lie farthest apart, the farthest first."""
        return sorted(self._movers, reverse=True)


def area_under_curve(scores: Floats, bad: NDArray[np.bool_]) -> float:
    """Tell how often somebody with a bad outcome has the lower score of two, ties counted half.

    Raises ValueError unless there are outcomes of both kinds.
    """
    worse, better = int(bad.sum()), int((~bad).sum())
    if not (worse and better):
        raise ValueError("outcomes of both kinds are needed, good and bad")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    below = float(ranks[~bad].sum()) - better * (better + 1) / 2
    return below / (worse * better)
