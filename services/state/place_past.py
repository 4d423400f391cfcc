"""Orders that wait for what is heard of their place: from the order's chunk until the opinion is in the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.core.hearsay import Opinion
from services.state.pool import Statements


class OrderAtPlace(NamedTuple):
    """An order for which an opinion is to be heard, under the opinion's own source and id."""

    key: UUID
    event_id: str
    identity: int
    place: str
    occurred_at: datetime


class Awaited(NamedTuple):
    """An opinion that is to be sent."""

    key: UUID
    event_id: str
    identity: str | None
    """Whose order it was; None when nothing of them is kept."""
    place: str
    occurred_at: datetime
    stake: float
    opinion: Opinion | None
    """As it was written down; None when it was not."""
    heard: bool
    """Whether it has been counted: a log that is read again has it."""


class PlacePastTable:
    """The statements of `place_past`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def ask(self, orders: Sequence[OrderAtPlace], *, stake: float) -> None:
        """Await an opinion for each of these orders; one that is awaited already is awaited once."""
        if orders:
            await self._say.run("await_opinions", *map(list, zip(*orders, strict=True)), stake)

    async def lease(self, *, limit: int, lease_s: float) -> list[Awaited]:
        """Take some that nobody has; others may have them when so many seconds are over."""
        rows = await self._say.rows("lease_opinions", limit, lease_s)
        return [
            Awaited(
                row["key"],
                row["event_id"],
                row["identity"],
                row["place"],
                row["occurred_at"],
                row["stake"],
                None if row["sentiment"] is None else Opinion(row["sentiment"], row["confidence"]),
                row["heard"],
            )
            for row in rows
        ]

    async def write(self, opinions: Mapping[UUID, Opinion]) -> None:
        """Write down what is heard; it is sent so and not otherwise."""
        if opinions:
            sentiments, confidences = zip(*opinions.values(), strict=True)
            await self._say.run("write_opinions", [*opinions], [*sentiments], [*confidences])

    async def remove(self, keys: Sequence[UUID]) -> None:
        """Await these no longer."""
        if keys:
            await self._say.run("remove_opinions", [*keys])
