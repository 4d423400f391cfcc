"""Read locked persons and write their scores: by the active model, and by one that takes over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.models import Models
from services.aggregator.counting.ports import ChunkTransaction
from services.core import scoring
from services.core.beside import turns_at
from services.core.facts import Facts
from services.core.tallies import LEAF, Tallies
from services.state.scores import Scored, Turn

WINDOWS_H: Final = (None, *scoring.WINDOWS.values())


async def write_scores(  # noqa: PLR0913 - what is read, and by what
    transaction: ChunkTransaction,
    persons: Sequence[int],
    tallies: Tallies,
    facts: Facts,
    *,
    turn: Turn,
    models: Models,
    at_hour: int,
    merged: Iterable[int] = (),
) -> Scored:
    """Read persons, whose places are the owners, and store the scores; returns those that are read by the active model.

    Who became part of another is told to followers with them.
    """
    generations = await read_scores(persons, tallies, facts, turn=turn, models=models, at_hour=at_hour)
    await transaction.scores.write(generations, merged=merged)
    return generations[0]


async def read_scores(
    persons: Sequence[int], tallies: Tallies, facts: Facts, *, turn: Turn, models: Models, at_hour: int
) -> list[Scored]:
    """Read persons, whose places are the owners, by each model that scores; the active one first."""
    generations = []
    for generation in (await models.in_use(turn)).generations:
        weigher = await models.weigher(generation.model, tallies.rows[:, LEAF])
        readings = scoring.read(
            tallies,
            facts=facts,
            owners=len(persons),
            leaves=weigher.leaves,
            at_hour=at_hour,
            parameters=weigher.parameters,
            windows_h=WINDOWS_H,
        )
        turns = turns_of(facts, owners=len(persons))
        bands = weigher.leaves.catalogue.bands
        generations.append(Scored(persons, readings, bands, turn.version, generation, at_hour, turns))
    return generations


def turns_of(facts: Facts, *, owners: int) -> NDArray[np.int64]:
    """When promises make each a score another one, as the last reading found out; 0 for never."""
    found = np.zeros(owners, dtype=np.int64)
    for owner, one in facts.people.items():
        found[owner] = turns_at(one) or 0
    return found
