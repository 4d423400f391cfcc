"""Leaves (touchpoint, channel, place) and their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from services.state.pool import Statements

Triple = tuple[str, str, str]


class LeafRow(NamedTuple):
    """One leaf and its number."""

    number: int
    touchpoint: str
    channel: str
    place: str

    @property
    def triple(self) -> Triple:
        """The leaf without its number."""
        return self.touchpoint, self.channel, self.place


class LeafTable:
    """The statements of `leaf`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def add(self, leaves: Iterable[Triple]) -> None:
        """Number leaves; a number carries no count, so it may be given outside the chunk's transaction."""
        await self._say.run("add_leaves", *map(list, zip(*sorted(leaves), strict=True)))

    async def after(self, number: int) -> list[LeafRow]:
        """Leaves with a higher number, in the order of their numbers."""
        return [LeafRow(*row) for row in await self._say.rows("all_leaves", number)]

    async def numbered(self, numbers: Iterable[int]) -> list[LeafRow]:
        """The leaves with these numbers."""
        return [LeafRow(*row) for row in await self._say.rows("leaves", list(numbers))]
