"""One row a person: the lock, the merge pointer, and who is asked for by which identity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.state.pool import Statements


class Locked(NamedTuple):
    """A person's row, locked."""

    version: int
    merged: bool
    as_of: int
    """The hour its stored score was read at."""
    alert_until: int = 0
    """The hour up to which its alerts are to be looked at."""


class Person(NamedTuple):
    """A person as stored: its name, its identities by their numbers, and when its stored score was read."""

    number: int
    customer: str
    version: int
    as_of: int
    model_version: str | None
    """Of the model that its stored score was read by."""
    active_model: int | None
    """The number of the model that is in use."""
    identities: Mapping[int, str]


class PersonTable:
    """The statements of `person`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def add(self, persons: Iterable[int]) -> None:
        """Make rows for persons that may have none."""
        await self._say.run("add_persons", list(persons))

    async def lock(self, persons: Iterable[int]) -> dict[int, Locked]:
        """Lock the rows in the order of their numbers; a person who was forgotten has none."""
        rows = await self._say.rows("lock_persons", list(persons))
        return {row[0]: Locked(row[1], row[2] is not None, row[3], row[4]) for row in rows}

    async def turning(self, hour: int, *, limit: int) -> list[int]:
        """Lock persons whose score a promise makes another one by this hour, those that wait longest first."""
        return [row["id"] for row in await self._say.rows("turning_persons", hour, limit)]

    async def point(self, persons: Iterable[int]) -> None:
        """Set or clear the merge pointers after identities moved."""
        await self._say.run("point_persons", list(persons))

    async def find(self, identity: str) -> Person | None:
        """The person that an identity belongs to; None before its first chunk has committed."""
        row = await self._say.row("person_of_identity", identity)
        if row is None:
            return None
        members = await self._say.rows("identities_of_person", row["id"])
        number, customer, version, as_of, model_version, active_model = row
        identities = {member["id"]: member["value"] for member in members}
        return Person(number, customer, version, as_of, model_version, active_model, identities)
