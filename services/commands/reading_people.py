"""Read many people's tallies and facts by several models at once, in memory that does not grow with the people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.core import scoring
from services.core.catalogue import Catalogue
from services.core.dimensions import Leaves
from services.core.facts import Fact, Facts, PersonFacts
from services.core.tallies import HOUR, LEAF, Tallies, merge
from services.state.facts import FactTable, facts_of_persons
from services.state.leaves import LeafTable
from services.state.pool import Statements
from services.state.tallies import ALL_HOURS, TallyTable

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ROWS_MAX: Final = 200_000
"""Tallies in memory at once, 16 MiB, but for one person who has more of them alone."""


class PeopleReader:
    """Scores of people by each of some models."""

    def __init__(self, statements: Statements, catalogues: Sequence[Catalogue]) -> None:
        self._tallies = TallyTable(statements)
        self._leaves = LeafTable(statements)
        self._facts = FactTable(statements)
        self._catalogues = catalogues

    @property
    def catalogues(self) -> Sequence[Catalogue]:
        """The models, in the order of the readings."""
        return self._catalogues

    async def read(self, owners: Mapping[int, int], *, at_hours: Sequence[int]) -> list[scoring.Reading[Floats]]:
        """Score persons, given their places, at an hour each; a reading for every model, in the order of the places."""
        places = sorted(owners, key=owners.__getitem__)
        stored = await self._stored(places)
        if stored is None:
            half = len(places) // 2
            parts = [
                await self.read({person: place for place, person in enumerate(part)}, at_hours=hours)
                for part, hours in ((places[:half], at_hours[:half]), (places[half:], at_hours[half:]))
            ]
            return [_joined(one, other) for one, other in zip(*parts, strict=True)]
        numbers = np.array(places, dtype=np.int64)
        by_number = np.argsort(numbers)
        owner = by_number[np.searchsorted(numbers[by_number], stored.owner)]
        beside = await facts_of_persons(self._facts, places)
        facts = Facts({place: beside[person] for place, person in enumerate(places) if person in beside})
        return await self.read_tallies(Tallies(owner, stored.rows), facts=facts, at_hours=at_hours)

    async def read_tallies(
        self, tallies: Tallies, *, facts: Facts, at_hours: Sequence[int]
    ) -> list[scoring.Reading[Floats]]:
        """Score owners at an hour each, from tallies that may stand several times; leaves as they are stored."""
        used, leaf = np.unique(tallies.rows[:, LEAF], return_inverse=True)
        rows = sorted(await self._leaves.numbered(used.tolist()), key=lambda row: row.triple)
        # Facts add to leaves that tallies have: their own events left a row there.
        place_of = {row.number: place for place, row in enumerate(rows)}
        tallies.rows[:, LEAF] = np.array([place_of[number] for number in used.tolist()], dtype=np.int64)[leaf]
        whole = merge([tallies])
        readings = []
        for catalogue in self._catalogues:
            [reading] = scoring.read_each(
                whole,
                facts=facts,
                leaves=Leaves.of(catalogue, (row.triple for row in rows)),
                at_hours=np.array(at_hours, dtype=np.int64),
                parameters=catalogue.parameters,
                windows_h=[None],
            )
            readings.append(reading)
        return readings

    async def before(self, persons: Sequence[int], *, hours: Sequence[int]) -> Tallies | None:
        """The tallies of the hours before each of these, by the place of the person, who may stand several times.

        None when there are too many of them to be read together.
        """
        stored = await self._stored(sorted(set(persons)), until_hour=max(hours) - 1)
        if stored is None:
            return None
        order = np.argsort(stored.owner, kind="stable")
        owner, rows = stored.owner[order], stored.rows[order]
        edges = np.searchsorted(owner, persons), np.searchsorted(owner, persons, side="right")
        counts = edges[1] - edges[0]
        if counts.sum() > ROWS_MAX and len(persons) > 1:
            return None
        place = np.repeat(np.arange(len(persons)), counts)
        within = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        mine = rows[np.repeat(edges[0], counts) + within]
        kept = mine[:, HOUR] < np.array(hours, dtype=np.int64)[place]
        return Tallies(place[kept], mine[kept])

    async def facts_before(self, persons: Sequence[int], *, until_us: Sequence[int]) -> Facts:
        """What had happened before each of these instants, by the place of the person, who may stand several times."""
        beside = await facts_of_persons(self._facts, {*persons})
        return Facts(
            {
                place: PersonFacts(beside[person].identities, _before(beside[person].facts, until_us[place]))
                for place, person in enumerate(persons)
                if person in beside
            }
        )

    async def _stored(self, persons: Sequence[int], *, until_hour: int = ALL_HOURS[1]) -> Tallies | None:
        rows_max = ROWS_MAX + 1 if len(persons) > 1 else None
        stored = await self._tallies.of_persons(persons, hours=(ALL_HOURS[0], until_hour), rows_max=rows_max)
        return None if rows_max is not None and len(stored.rows) > ROWS_MAX else stored


def _before(facts: Iterable[Fact], until_us: int) -> Iterable[Fact]:
    return (fact for fact in facts if fact.occurred_us < until_us)


def _joined(one: scoring.Reading[Floats], other: scoring.Reading[Floats]) -> scoring.Reading[Floats]:
    return scoring.Reading(*map(np.concatenate, zip(one, other, strict=True)))
