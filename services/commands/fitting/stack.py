"""What customers had lived before their outcomes, as the database of a stack keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Final

import numpy as np

from services.commands.foreseeing import LINE_EVERY_S, PORTION, lived_before, persons_of
from services.commands.models import NAME
from services.commands.outcomes import Outcome
from services.commands.reading_people import PeopleReader
from services.commands.telling import say
from services.core.dimensions import Leaf
from services.core.facts import Facts, PersonFacts
from services.core.instants import hour_of
from services.core.lived import History
from services.core.tallies import LEAF, Tallies, merge
from services.infra.errors import ConfigurationError
from services.infra.settings import Settings
from services.state.comparing import People
from services.state.leaves import LeafTable
from services.state.pool import Statements, connected

ROWS_MAX: Final = 3_000_000
"""Tallies held at once, 240 MB, and twice as much while they are fitted."""


async def read_stack(outcomes: Sequence[Outcome], *, settings: Settings) -> tuple[History, list[int]]:
    """Give what each outcome's customer had lived before it, and which outcomes are of customers that are known.

    Raises ConfigurationError when it is more than can be held.
    """
    async with connected(settings.postgres.dsn.get_secret_value(), application=NAME) as statements:
        return await _Reading(statements, settings).history(outcomes)


class _Reading:
    """Reads portion by portion."""

    def __init__(self, statements: Statements, settings: Settings) -> None:
        self._statements = statements
        self._settings = settings
        self._reader = PeopleReader(statements, ())
        self._parts: list[Tallies] = []
        self._people: dict[int, PersonFacts] = {}
        self._known: list[int] = []
        self._rows = 0

    async def history(self, outcomes: Sequence[Outcome]) -> tuple[History, list[int]]:
        told_s = monotonic()
        for first in range(0, len(outcomes), PORTION):
            await self._portion(outcomes[first : first + PORTION], first)
            if monotonic() - told_s >= LINE_EVERY_S:
                say(f"{min(first + PORTION, len(outcomes))} of {len(outcomes)} outcomes read")
                told_s = monotonic()
        tallies = merge(self._parts)
        used, leaf = np.unique(tallies.rows[:, LEAF], return_inverse=True)
        rows = await LeafTable(self._statements).numbered(used.tolist())
        leaf_of = {row.number: Leaf._make(row.triple) for row in rows}
        tallies.rows[:, LEAF] = leaf
        hours = np.array([hour_of(outcomes[place].at) for place in self._known], dtype=np.int64)
        # Numbers follow the order of the table here, not that of the names: whoever reads sorts by names again.
        return History(tallies, [leaf_of[number] for number in used.tolist()], Facts(self._people), hours), self._known

    async def _portion(self, portion: Sequence[Outcome], first: int) -> None:
        persons = await persons_of(People(self._statements), portion, settings=self._settings)
        known = [
            (first + place, person, outcome)
            for place, (person, outcome) in enumerate(zip(persons, portion, strict=True))
            if person is not None
        ]
        await self._take([(person, outcome) for _, person, outcome in known], base=len(self._known))
        self._known += [place for place, _, _ in known]

    async def _take(self, known: Sequence[tuple[int, Outcome]], *, base: int) -> None:
        """Read what was lived before some outcomes, whose places begin at `base`."""
        if not known:
            return
        lived = await lived_before(self._statements, self._reader, known)
        if lived is None:
            half = len(known) // 2
            await self._take(known[:half], base=base)
            await self._take(known[half:], base=base + half)
            return
        tallies = lived.tallies
        self._rows += len(tallies.rows)
        if self._rows > ROWS_MAX:
            raise ConfigurationError(
                f"before these outcomes lie more than {ROWS_MAX} tallies, which is more than is held at once; draw some "
                "of the outcomes by chance"
            )
        self._parts.append(Tallies(tallies.owner + base, tallies.rows))
        self._people.update({base + place: facts for place, facts in lived.facts.people.items()})
