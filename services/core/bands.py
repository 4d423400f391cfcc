"""Words for where a score lies: bands, whose names and borders a model may say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

UNKNOWN_BAND: Final = "unknown"
"""The band of whoever too little was seen of, in every model; its number is 0."""

CONFIDENCE_KNOWN: Final = 0.1
"""Below it a score says more about the prior than about the person."""


class Bands(NamedTuple):
    """Bands from the worst to the best; a band's number is its position in `names`."""

    names: tuple[str, ...]
    """The first is UNKNOWN_BAND."""
    starts: tuple[float, ...]
    """The scores at which the third and each later one begins; the second begins at 0."""

    def numbers(self, score: Floats, confidence: Floats) -> Integers:
        """Number the bands of many scores."""
        index = np.searchsorted(np.array(self.starts, dtype=np.float64), score, side="right") + 1
        return np.where(confidence < CONFIDENCE_KNOWN, 0, index).astype(np.int64)

    def name(self, score: float, confidence: float) -> str:
        """Name the band of a score."""
        return self.names[int(self.numbers(np.array([score]), np.array([confidence]))[0])]

    @property
    def begins(self) -> dict[str, float]:
        """Where each band begins, the worst first; UNKNOWN_BAND begins nowhere."""
        return dict(zip(self.names[1:], (0.0, *self.starts), strict=True))

    @classmethod
    def of(cls, begins: Mapping[str, float]) -> Bands:
        """Make bands of where they begin: one of them at 0, no two together."""
        names = sorted(begins, key=begins.__getitem__)
        return cls((UNKNOWN_BAND, *names), tuple(begins[name] for name in names[1:]))


BANDS: Final = Bands((UNKNOWN_BAND, "critical", "low", "fair", "good", "great"), (25.0, 40.0, 60.0, 80.0))
"""Those of every model that says nothing else."""
