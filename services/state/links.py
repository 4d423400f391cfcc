"""Which identities an event named together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from services.state.pool import Statements


class LinkRow(NamedTuple):
    """Two identities that an event named together; numbers, the smaller first."""

    a: int
    b: int
    source: str
    alias: bool
    occurred_at: datetime
    event_id: str


class LinkTable:
    """The statements of `link`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def lock(self) -> None:
        """Let one transaction at a time change who is linked to whom."""
        await self._say.run("lock_links")

    async def add(self, links: Sequence[LinkRow]) -> bool:
        """Keep the links; True when any was new or earlier than known."""
        rows = await self._say.rows(
            "add_links",
            [link.a for link in links],
            [link.b for link in links],
            [link.source for link in links],
            [link.occurred_at for link in links],
            [link.event_id for link in links],
        )
        return bool(rows)

    async def around(self, identities: Iterable[int]) -> list[LinkRow]:
        """Every link in the neighbourhood that these identities reach."""
        return [LinkRow(*row) for row in await self._say.rows("linked", list(identities))]
