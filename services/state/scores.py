"""The stored scores: a copy for SQL, as of the hour they were read at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.core.bands import Bands
from services.core.scoring import Reading
from services.state.copying import fixed_copy
from services.state.models import Generation, InUse
from services.state.pool import Statements

Floats = NDArray[np.float64]

WRITE: Final = ("write_scores_a", "write_scores_b")
"""By the set that is written."""


class Scored(NamedTuple):
    """Persons and how they were read: the overall reading, then the windows."""

    persons: Sequence[int]
    readings: Sequence[Reading[Floats]]
    bands: Bands
    """Of the model that they were read by."""
    version: int
    generation: Generation
    at_hour: int | NDArray[np.int64]
    """At which they were read, all of them or each."""
    turns_at: NDArray[np.int64] | None = None
    """From which hour on each is another score without any event; 0 where no promise is open, as everywhere if None."""


class Turn(NamedTuple):
    """A version for scores to be written, and which model weighs them; None before anybody said so."""

    version: int
    in_use: InUse | None
    tallies: int = 0
    """Which tallies are read, by the number of swaps."""


class ScoreTable:
    """The statements of the scores in `person`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def turn(self) -> Turn:
        """The next version of scores, and by what they are weighed.

        Taken under the persons' locks, so the version grows for each of them, and whoever writes the scores of a model
        that takes over waits for these persons or is known here.
        """
        [row] = await self._say.rows("turn")
        version, tallies, active, slot, filling = row
        return Turn(version, None if active is None else InUse(active, slot, filling), tallies)

    async def persons_by_band(self) -> dict[str, int]:
        """How many persons are in each band of their model, by their stored scores; every row is read."""
        return {row["band"]: row["persons"] for row in await self._say.rows("persons_by_band")}

    async def write(self, generations: Sequence[Scored], *, merged: Iterable[int] = ()) -> None:
        """Store the scores of locked persons whose state is another one since, in each generation.

        What the first of them says is what is read: followers find its persons in `score_change`, with those who became part
        of others.
        """
        await self._write(generations, merged, changed=True)

    async def fill(self, scored: Scored) -> None:
        """Store the scores of locked persons whose state is what it was."""
        await self._write([scored], (), changed=False)

    async def refresh(self, generations: Sequence[Scored], *, points: float) -> int:
        """Store the scores of locked persons whose state is what it was, and tell followers of those that moved.

        Moved is by so many points since they were told, or into another band; returns how many these are.
        """
        first, *others = generations
        await self._say.copy_in("incoming_score", score_copy(first))
        told = await self._say.run("tell_moved", points)
        await self._say.run(WRITE[first.generation.slot], False, False, [])  # noqa: FBT003 - parameters of the statement
        for scored in others:
            await self._say.run("forget_incoming_scores")
            await self.fill(scored)
        return told

    async def _write(self, generations: Sequence[Scored], merged: Iterable[int], *, changed: bool) -> None:
        for place, scored in enumerate(generations):
            if place:
                await self._say.run("forget_incoming_scores")
            await self._say.copy_in("incoming_score", score_copy(scored))
            noted = changed and not place
            await self._say.run(WRITE[scored.generation.slot], changed, noted, list(merged) if noted else [])


def score_copy(scored: Scored) -> bytes:
    """The rows of `incoming_score` as a binary COPY."""
    whole, *windows = scored.readings
    count = len(scored.persons)
    columns: list[tuple[str, NDArray[np.int64] | Floats]] = [
        ("bigint", np.array(scored.persons, dtype=np.int64)),
        ("bigint", np.full(count, scored.version)),
        ("smallint", np.full(count, scored.generation.model)),
        ("smallint", scored.bands.numbers(whole.score, whole.confidence)),
        ("integer", np.full(count, scored.at_hour)),
        ("integer", np.zeros(count, dtype=np.int64) if scored.turns_at is None else scored.turns_at),
        ("double", whole.score),
        ("double", whole.confidence),
        ("double", whole.se),
    ]
    for window in windows:
        columns += [("double", window.score), ("double", window.confidence)]
    return fixed_copy(columns)
