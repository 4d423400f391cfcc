"""Leaves (touchpoint, channel, place) and their numbers, and how many of them each source has brought."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from services.state.pool import Statements
from services.state.tallies import storable_hour

Triple = tuple[str, str, str]

LEAVES_MAX: Final = 1 << 24
"""Of all sources together: a worker that meets them all holds 40 bytes for each number, 640 MiB."""

PAGE_ROWS: Final = 2000
"""A page is taken apart while everybody else waits: so many take three milliseconds."""


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


class Brought(NamedTuple):
    """A leaf that may be new, and whose it would be."""

    leaf: Triple
    source: str | None
    """The source that it counts for; None when it counts for nobody, because it is declared."""
    bound: int
    """So many leaves may count for the source, this one among them."""


class LeafTable:
    """The statements of `leaf` and of `name_budget`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def find(self, leaves: Collection[Triple]) -> list[LeafRow]:
        """Those of these that are numbered."""
        return [LeafRow(*row) for row in await self._say.rows("find_leaves", *_columns(leaves))]

    async def add(self, brought: Collection[Brought]) -> None:
        """Number leaves, each given once, and count them for their sources; those without room are left out.

        A number carries no count of events, so it may be given outside the chunk's transaction; leaf and budget change in
        one statement.
        """
        sources = sorted({one.source for one in brought if one.source is not None})
        if sources:
            await self._say.run("open_budgets", sources)
        columns = _columns([one.leaf for one in brought])
        claims = [one.source for one in brought], [one.bound for one in brought]
        await self._say.run("add_leaves", *columns, *claims, LEAVES_MAX)

    async def of_person(self, person: int, *, hours: tuple[int, int], rows_max: int) -> list[LeafRow]:
        """The leaves of a person's tallies, as `of_persons` gives them."""
        return await self.of_persons([person], hours=hours, rows_max=rows_max)

    async def of_persons(self, persons: Sequence[int], *, hours: tuple[int, int], rows_max: int) -> list[LeafRow]:
        """The leaves of persons' tallies in the hours (after, until], in text order; of more than `rows_max`, the first.

        Within a transaction; the loop goes on between pages of them.
        """
        pages = self._say.pages(
            "leaves_of_persons", list(persons), *map(storable_hour, hours), rows_max, rows=PAGE_ROWS
        )
        words: dict[str, str] = {}  # a channel and a place stand in many leaves: kept once
        return [
            LeafRow(number, touchpoint, words.setdefault(channel, channel), words.setdefault(place, place))
            async for page in pages
            for number, touchpoint, channel, place in page
        ]

    async def numbered(self, numbers: Iterable[int]) -> list[LeafRow]:
        """The leaves with these numbers."""
        return [LeafRow(*row) for row in await self._say.rows("leaves", list(numbers))]


def _columns(leaves: Collection[Triple]) -> list[list[str]]:
    return [[leaf[part] for leaf in leaves] for part in range(3)]
