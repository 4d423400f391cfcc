"""Sums over all people: taken in portions beside the work, and read when the last of them is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.core.census import Counted, Group, Sums
from services.core.instants import HOUR_US, instant_of
from services.state.pool import Statements

VALUES_MAX: Final = 5_000
"""Along one thing of one scope, those that lost most: ten times as many touchpoints as a large catalogue declares."""

OTHER: Final = "other"
"""Stands for every value of a property that nobody declared, so that what people wrote is in no sum's name."""

FORGOTTEN_MAX: Final = 10_000
"""Sums removed in one step: some tens of milliseconds."""


class HeldCensus(NamedTuple):
    """The census under way, held for the length of a transaction."""

    number: int
    hour: int
    model: int
    last: int
    """The last person to be counted."""
    cursor: int
    current: bool
    """Whether its model is still the one in use."""


class KeptCensus(NamedTuple):
    """A whole census: the one that is read."""

    number: int
    hour: int
    """With which its period ends."""
    persons: int
    model_version: str
    ended_at: datetime


class CensusTable:
    """The statements of `census` and `census_sum`; within a transaction but for `last`, `sums` and `scopes`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def begin(self, *, hour: int, rest_s: float, rest_times: float) -> bool:
        """Begin a census of the model in use if it is time for one; False when it is not, or one is under way.

        It is time when none of the model in use is whole, or the last one has rested so many seconds, and so many times
        as long as it took.
        """
        return await self._say.run("begin_census", hour, rest_s, rest_times) > 0

    async def held(self) -> HeldCensus | None:
        """Hold the census under way; None when there is none, or another worker holds it."""
        row = await self._say.row("hold_census")
        return None if row is None else HeldCensus(*row)

    async def persons(self, held: HeldCensus, *, limit: int) -> list[int]:
        """The next persons in turn, without those that belong to another one."""
        return [row["id"] for row in await self._say.rows("persons_to_count", held.cursor, held.last, limit)]

    async def values(
        self, persons: Sequence[int], *, name: str, declared: Collection[str], hours: tuple[int, int]
    ) -> dict[int, str]:
        """What events of the hours (after, until] said last of a property of persons; OTHER where it is not declared."""
        since, until = (instant_of((hour + 1) * HOUR_US) for hour in hours)
        rows = await self._say.rows("segments_of_persons", list(persons), since, until, name)
        return {row["person"]: row["value"] if row["value"] in declared else OTHER for row in rows}

    async def add(self, held: HeldCensus, counted: Mapping[Group, Counted]) -> None:
        """Add what a portion of people came to."""
        groups = sorted(counted)
        words = [[group[part] for group in groups] for part in range(3)]
        sums = [
            [counted[group][period][column] for group in groups]
            for period in range(2)
            for column in range(len(Sums._fields))
        ]
        if groups:
            await self._say.run("add_census_sums", held.number, *words, *sums)

    async def move(self, held: HeldCensus, counted: Sequence[int]) -> None:
        """Note that these persons are counted."""
        await self._say.run("move_census", held.number, max(counted), len(counted))

    async def end(self, held: HeldCensus, outcome: str) -> None:
        """Let everybody read it, as whole; or leave it, replaced by none."""
        await self._say.run("end_census", held.number, outcome)

    async def forget(self) -> bool:
        """Remove some of what a whole census has followed; True when there may be more of it."""
        removed = await self._say.run("forget_census_sums", FORGOTTEN_MAX)
        return bool(removed) or await self._say.run("forget_censuses") > 0

    async def last(self) -> KeptCensus | None:
        """The last whole census; None before there was one."""
        row = await self._say.row("last_census")
        return None if row is None else KeptCensus(*row)

    async def sums(self, census: KeptCensus, *, scope: str, by: str) -> dict[str, Counted]:
        """The sums of a scope along one thing, by value, those that lost most first."""
        rows = await self._say.rows("census_sums", census.number, scope, by, VALUES_MAX)
        return {row[0]: _counted(row[1:]) for row in rows}

    async def of_scopes(self, census: KeptCensus, *, scopes: Sequence[str], by: str) -> dict[str, Counted]:
        """The sums of each of these scopes as a whole; those of which there are none are left out."""
        rows = await self._say.rows("sums_of_scopes", census.number, list(scopes), by)
        return {row[0]: _counted(row[1:]) for row in rows}

    async def scopes(self, census: KeptCensus, *, beginning: str, limit: int) -> dict[str, Counted]:
        """The sums of each scope that begins so as a whole, those that lost most first."""
        end = beginning[:-1] + chr(ord(beginning[-1]) + 1)
        rows = await self._say.rows("census_scopes", census.number, beginning, end, limit)
        return {row[0]: _counted(row[1:]) for row in rows}


def _counted(cells: Sequence[int]) -> Counted:
    width = len(Sums._fields)
    return Counted(Sums(*cells[:width]), Sums(*cells[width:]))
