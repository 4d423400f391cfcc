"""Everybody, some at a time: what a comparison of models reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.state.pool import Statements

Integers = NDArray[np.int64]


class Somebody(NamedTuple):
    """A person's number, and the identity that names it."""

    number: int
    customer: str


class Happened(NamedTuple):
    """Events as columns, by their place in what was asked; v and q in micro-units."""

    place: Integers
    leaf: Integers
    v: Integers
    q: Integers


class People:
    """The statements of a walk over all persons."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def count(self) -> int:
        """How many there are."""
        return int(await self._say.value("count_persons"))

    async def after(self, number: int, *, limit: int) -> list[Somebody]:
        """Those that follow, in the order of their numbers."""
        return [Somebody(*row) for row in await self._say.rows("persons_after", number, limit)]

    async def named(self, identities: Sequence[str]) -> Mapping[str, int]:
        """The persons of these identities, as far as they are known."""
        return {row["value"]: row["person"] for row in await self._say.rows("persons_named", list(identities))}

    async def happened(
        self, persons: Sequence[int], *, since: Sequence[datetime], until: Sequence[datetime]
    ) -> Happened:
        """The events of each of these persons from a moment until just before another."""
        rows = await self._say.rows("events_within", list(persons), list(since), list(until))
        cells = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, len(Happened._fields))
        return Happened(*cells.T)
