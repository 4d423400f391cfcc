"""Identities and their numbers, and the person that each belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from services.state.pool import Statements


class IdentityRow(NamedTuple):
    """One identity: its number, its `kind:value`, and the number of the identity that names its person."""

    number: int
    value: str
    person: int


class IdentityTable:
    """The statements of `identity`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def find(self, values: Sequence[str]) -> list[IdentityRow]:
        """Those of these that are known."""
        return [IdentityRow(*row) for row in await self._say.rows("find_names", list(values))]

    async def add(self, values: Iterable[str]) -> None:
        """Number identities; a number carries no count, so it may be given outside the chunk's transaction."""
        await self._say.run("add_names", sorted(values))

    async def of_persons(self, persons: Iterable[int]) -> list[IdentityRow]:
        """All identities of these persons."""
        return [IdentityRow(*row) for row in await self._say.rows("members", list(persons))]

    async def move(self, persons: Mapping[int, int]) -> None:
        """Let identities belong to other persons."""
        await self._say.run("move_identities", list(persons), list(persons.values()))
