"""The walk over all people by which stored scores do not age unseen: how far it is, and whose score is old."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.state.pool import Statements

LOOKED_AT_MAX: Final = 20_000
"""Persons whose row one portion looks at: some tens of milliseconds."""


class Walk(NamedTuple):
    """How far the walk is, held by whoever goes on with it; and what of the model in use says how scores age."""

    hour: int
    """At which it began."""
    cursor: int
    under_way: bool
    current: bool
    """Whether it is a walk under the model that is in use."""
    model: int
    half_life_days: float | None
    band_starts: Sequence[float]


class Due(NamedTuple):
    """Whose score is old at an hour."""

    hour: int
    told_points: float
    """Of which it differs from what followers were told."""
    whole_h: int
    """Everybody's after so many hours."""
    soon_h: int
    """After so many, of whom something was lived in the last day, or who is close to a band's border."""
    near_confidence: float
    near_points: float


class Ahead(NamedTuple):
    """Persons whose scores are old, locked, and the number up to which all were looked at; None when nobody is after it."""

    persons: list[int]
    last: int | None


class AgeingTable:
    """The statements of `score_walk`; within a transaction."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def held(self) -> Walk | None:
        """Hold the walk until the transaction ends; None while another worker does, or before anybody was scored."""
        await self._say.run("know_walk")
        row = await self._say.row("hold_walk")
        return None if row is None else Walk(*row)

    async def begin(self, walk: Walk, *, hour: int) -> None:
        """Begin at the first person."""
        await self._say.run("begin_walk", hour, walk.model)

    async def due(self, walk: Walk, due: Due, *, limit: int) -> Ahead:
        """Lock the next persons whose score is old, as far as one look goes."""
        row = await self._say.row("walk_ahead", walk.cursor, LOOKED_AT_MAX)
        if row is None or row["last"] is None:
            return Ahead([], None)
        hour, told, whole_h, soon_h, near_confidence, near_points = due
        found = await self._say.rows(
            "lock_old_scores",
            walk.cursor,
            row["last"],
            hour,
            told,
            whole_h,
            soon_h,
            list(walk.band_starts),
            near_confidence,
            near_points,
            limit,
        )
        persons = [one["id"] for one in found]
        if len(persons) == limit:
            return Ahead(persons, persons[-1])
        return Ahead(persons, row["last"])

    async def move(self, walk: Walk, *, to: int) -> None:
        """Have everybody up to this person behind."""
        await self._say.run("move_walk", walk.cursor, to)

    async def end(self, walk: Walk) -> None:
        """Have everybody behind."""
        del walk
        await self._say.run("end_walk")

    async def oldest(self) -> int | None:
        """The hour of the oldest score that the last whole walk left behind; None before the first one."""
        found = await self._say.value("oldest_score")
        return None if found is None else int(found)
