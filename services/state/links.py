"""Which identities an event named together, and which of them hang together so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from services.state.pool import Statements

Turn = tuple[int, datetime, str, bytes]


class LinkRow(NamedTuple):
    """Two identities that an event named together, by their numbers; see core.persons for the level and what it does.

    Of a claim, which is a link of a customer with another identity, `a` is the customer; of others the smaller number.
    """

    a: int
    b: int
    source: str
    claim: bool
    level: int
    occurred_at: datetime
    event_id: str
    event_key: bytes

    @property
    def key(self) -> tuple[int, int, str]:
        """What one row is kept of."""
        return self.a, self.b, self.source

    @property
    def turn(self) -> Turn:
        """The best link has the least."""
        return self[4:]


class Node(NamedTuple):
    """An identity among its links."""

    number: int
    value: str
    person: int
    crowd: int
    """From which level on its links do not count."""


class Crowded(NamedTuple):
    """How many identities have links that count for nothing, because there are too many of them."""

    customers: int
    """With links to other identities past the first ones."""
    others: int
    aliased: int
    """Customers whom aliases would join with too many others."""


async def crowded(statements: Statements) -> Crowded:
    """Count them."""
    (row,) = await statements.rows("crowded")
    return Crowded(*row)


class LinkTable:
    """The statements of `link`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def add(self, links: Sequence[LinkRow]) -> set[tuple[int, int, str]]:
        """Keep the links; returns the keys of those that are new or better than what was known."""
        columns = [list(column) for column in zip(*links, strict=True)]
        return {tuple(row) for row in await self._say.rows("add_links", *columns)}

    async def nodes(self, identities: Iterable[int]) -> list[Node]:
        """The identities with these numbers."""
        return [Node(*row) for row in await self._say.rows("nodes", list(identities))]

    async def around(self, identities: Iterable[int]) -> list[Node]:
        """These and whatever hangs together with them by links that count; claims do not hang together, aliases do."""
        return [Node(*row) for row in await self._say.rows("nodes_around", list(identities))]

    async def among(self, nodes: Sequence[Node]) -> list[LinkRow]:
        """The links that count among these nodes, claims apart."""
        numbers, crowds = [node.number for node in nodes], [node.crowd for node in nodes]
        return [LinkRow(*row) for row in await self._say.rows("links_among", numbers, crowds)]

    async def best_claims(self, identities: Iterable[int]) -> list[LinkRow]:
        """Each one's best link with a customer."""
        return [LinkRow(*row) for row in await self._say.rows("best_claims", list(identities))]

    async def claims_from(self, skipped: int, counts: Mapping[int, int]) -> list[LinkRow]:
        """So many of each customer's links, the best first, after those that are skipped."""
        columns = list(counts), [skipped] * len(counts), list(counts.values())
        return [LinkRow(*row) for row in await self._say.rows("claims_from", *columns)]

    async def mark(self, crowds: Mapping[int, int]) -> None:
        """Note from which level on the links of identities do not count."""
        await self._say.run("mark_crowds", list(crowds), list(crowds.values()))
