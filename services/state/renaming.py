"""Give identities other names: what hangs on them follows, in one transaction that keeps every worker out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.state.links import LinkRow
from services.state.pool import Statements

FOLLOWERS: Final = (
    "merge_tallies",
    "merge_touchpoints",
    "merge_facts",
    "merge_alerts",
    "merge_roles",
    "merge_contacts",
    "merge_crowds",
)
"""What is kept of an identity, and goes over to the one that it turns out to be."""


class Named(NamedTuple):
    """An identity's number and its `kind:value`."""

    number: int
    value: str


class Place(NamedTuple):
    """Where an event's row stands."""

    occurred_at: datetime
    key: UUID


class StoredBody(NamedTuple):
    """An event's row, as far as it names people."""

    occurred_at: datetime
    key: UUID
    identity: int
    source: str
    event_id: str
    body: str


class Rewritten(NamedTuple):
    """What an event's row holds instead."""

    occurred_at: datetime
    key: UUID
    body: str
    body_hash: int


class RenamingTable:
    """The statements of a renaming."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def odd(self, *, after: int, limit: int) -> list[Named]:
        """Identities in clear that may be spelt otherwise, after this number and in the order of numbers."""
        return [Named(*row) for row in await self._say.rows("odd_names", after, limit)]

    async def begin(self) -> None:
        """Shut every worker out, and hold the names until the transaction ends."""
        await self._say.run("be_patient")
        await self._say.rows("one_renaming")
        # Partitions before names: in this order workers take them.
        await self._say.run("shut_workers_out")
        await self._say.run("hold_names")

    async def find(self, values: Iterable[str]) -> dict[str, int]:
        """The numbers of those of these that are known."""
        return {row["value"]: row["id"] for row in await self._say.rows("find_names", sorted(set(values)))}

    async def add(self, values: Iterable[str]) -> None:
        """Number identities."""
        await self._say.run("add_names", sorted(values))

    async def take_links(self, identities: Iterable[int]) -> list[LinkRow]:
        """Every link of these, which is no longer there."""
        return [LinkRow(*row) for row in await self._say.rows("take_links", list(identities))]

    async def places_naming(self, words: Iterable[tuple[int, str]]) -> list[Place]:
        """The events of these identities whose body holds these words."""
        columns = [list(column) for column in zip(*words, strict=True)]
        return [Place(*row) for row in await self._say.rows("places_naming", *columns)]

    async def bodies(self, places: Sequence[Place]) -> list[StoredBody]:
        """The rows at these places."""
        columns = [list(column) for column in zip(*places, strict=True)]
        return [StoredBody(*row) for row in await self._say.rows("bodies_at", *columns)]

    async def rewrite(self, bodies: Sequence[Rewritten]) -> None:
        """Write other bodies; a retry is measured against these."""
        times, keys, texts, hashes = ([*column] for column in zip(*bodies, strict=True))
        await self._say.run("rewrite_bodies", times, keys, texts, hashes)
        await self._say.run("correct_seen", keys, hashes)

    async def merge(self, numbers: Mapping[int, int]) -> None:
        """Let each of these be another one, with all that is kept of it but links."""
        columns = list(numbers), list(numbers.values())
        for name in FOLLOWERS:
            await self._say.run(name, *columns)
        for name in ("remove_persons", "remove_names"):
            await self._say.run(name, list(numbers))

    async def rename(self, values: Mapping[int, str]) -> None:
        """Write the names of these numbers."""
        await self._say.run("write_names", list(values), list(values.values()))

    async def part(self, identities: Iterable[int]) -> None:
        """Let each of these be a person by itself, until links join them."""
        await self._say.run("part_persons", list(identities))


async def workers_connected(statements: Statements, *, application: str) -> int:
    """How many connections of workers there are to this database."""
    return int(await statements.value("workers_connected", application))
