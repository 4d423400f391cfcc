"""The stored scores: a copy for SQL, as of the hour they were read at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.core.scoring import Reading, bands
from services.state.copying import fixed_copy
from services.state.pool import Statements

Floats = NDArray[np.float64]


class Scored(NamedTuple):
    """Persons and how they were read: the overall reading, then the windows."""

    persons: Sequence[int]
    readings: Sequence[Reading[Floats]]
    version: int
    model: int
    at_hour: int


class ScoreTable:
    """The statements of the scores in `person`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def next_version(self) -> int:
        """The next version of a score; taken under the persons' locks, so it grows for each of them."""
        return int(await self._say.value("next_version"))

    async def write(self, scored: Scored) -> None:
        """Store the scores of locked persons."""
        await self._say.copy_in("incoming_score", score_copy(scored))
        await self._say.run("write_scores")


def score_copy(scored: Scored) -> bytes:
    """The rows of `incoming_score` as a binary COPY."""
    whole, *windows = scored.readings
    count = len(scored.persons)
    columns: list[tuple[str, NDArray[np.int64] | Floats]] = [
        ("bigint", np.array(scored.persons, dtype=np.int64)),
        ("bigint", np.full(count, scored.version)),
        ("smallint", np.full(count, scored.model)),
        ("smallint", bands(whole.score, whole.confidence)),
        ("integer", np.full(count, scored.at_hour)),
        ("double", whole.score),
        ("double", whole.confidence),
        ("double", whole.se),
    ]
    for window in windows:
        columns += [("double", window.score), ("double", window.confidence)]
    return fixed_copy(columns)
