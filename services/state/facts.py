"""What is kept of events beside their tallies, found by whom it is of, and by the names that facts of several share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from services.core.dimensions import Leaf
from services.core.facts import ROLES, Fact, PersonFacts
from services.state.copying import fixed_rows, length_of, mixed_copy, text_field
from services.state.pool import Statements

COLUMNS: Final = (
    "identity", "occurred_us", "received_hour", "leaf", "v", "q", "role",
    "due_us", "kind", "key", "part", "source", "event_id",
)  # fmt: skip

VARIABLE_FIELDS: Final = 6

SHARED_MAX: Final = 1_000
"""Facts of one name: an order of three hundred lines, each stated, kept and ended. What more share, such as the order
"0" of a till, says nothing about anybody, and each person's own facts of it are read alone."""

ROUNDS_MAX: Final = 4
"""From a parcel to its order, to that order's other parcels, and to what names one of these alone."""

NULL: Final = length_of(-1)

ROLE_NUMBER: Final = {role: number for number, role in enumerate(ROLES)}


class Asked(NamedTuple):
    """A name by which a person's facts look for those of others."""

    person: int
    name: str
    alone: bool
    """Whether it is of a part that was named without its whole: then it is sought in wholes as well."""


class Shared(NamedTuple):
    """A fact that has a name which was asked for."""

    asker: int
    person: int
    fact: Fact


class ReadFacts(Protocol):
    """What of the stored facts is read, wherever they are stored."""

    async def of_persons(self, persons: Collection[int], *, facts_max: int | None = None) -> list[tuple[int, Fact]]:
        """The facts of these persons' identities, each with the person's number; of more than `facts_max`, any."""

    async def sharing(self, asked: Collection[Asked]) -> list[Shared]:
        """The facts of others that have one of these names; none of names that more than SHARED_MAX facts have.

        A part that stands alone is sought in wholes as well, and there among the asker's own, too.
        """


class FactTable:
    """The statements of `fact` and `fact_name`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def lock(self, facts: Iterable[Fact]) -> set[str]:
        """Hold the names that these facts, which are to be stored, share with others until the transaction ends.

        Returns those that facts had before.
        """
        names, counts, latest = names_of(facts)
        if not names:
            return set()
        rows = await self._say.rows("lock_fact_names", names, counts, latest)
        return {row["name"] for row in rows}

    async def add(self, facts: Sequence[Fact], leaves: Sequence[int]) -> None:
        """Store facts, whose names are held; `leaves` are the numbers of theirs."""
        await self._say.copy_in("fact", fact_copy(facts, leaves), columns=COLUMNS)

    async def of_persons(self, persons: Collection[int], *, facts_max: int | None = None) -> list[tuple[int, Fact]]:
        """See ReadFacts."""
        rows = await self._say.rows("facts_of_persons", list(persons), facts_max)
        return [(person, _fact(columns)) for person, *columns in rows]

    async def sharing(self, asked: Collection[Asked]) -> list[Shared]:
        """See ReadFacts."""
        columns = [list(column) for column in zip(*asked, strict=True)]
        rows = await self._say.rows("facts_sharing", *columns, SHARED_MAX)
        return [Shared(asker, person, _fact(columns)) for asker, person, *columns in rows]


def names_of(facts: Iterable[Fact]) -> tuple[list[str], list[int], list[int]]:
    """Give the names that facts share with others, of how many facts each is, and the latest instant of one of them."""
    named: dict[str, list[int]] = {}
    for fact in facts:
        for name in fact.shared_names:
            named.setdefault(name, []).append(fact.occurred_us)
    return [*named], [*map(len, named.values())], [*map(max, named.values())]


async def facts_of_persons(
    table: ReadFacts, persons: Collection[int], *, facts_max: int | None = None
) -> dict[int, PersonFacts]:
    """Read all that persons' scores are read from beside their tallies; those without facts are not there."""
    own: dict[int, list[Fact]] = {}
    for person, fact in await table.of_persons(persons, facts_max=facts_max):
        own.setdefault(person, []).append(fact)
    others: dict[int, dict[Fact, None]] = {}
    asked = {one for person, facts in own.items() for one in asked_by(person, facts)}
    for one in await others_of(table, asked):
        others.setdefault(one.asker, {})[one.fact] = None
    return {
        person: PersonFacts({fact.identity for fact in facts}, (*facts, *others.get(person, ())))
        for person, facts in own.items()
    }


async def others_of(table: ReadFacts, asked: Collection[Asked]) -> list[Shared]:
    """Follow names to the facts of other persons, and these to further ones."""
    found: list[Shared] = []
    known: set[Asked] = set()
    for _ in range(ROUNDS_MAX):
        asked = {*asked} - known
        if not asked:
            break
        known |= asked
        more = await table.sharing(asked)
        found += more
        asked = {name for one in more for name in asked_by(one.asker, (one.fact,))}
    return [one for one in found if one.person != one.asker]


def asked_by(person: int, facts: Iterable[Fact]) -> set[Asked]:
    """Give the names by which a person's facts, or those found for it, look for others."""
    return {Asked(person, name, name == fact.part == fact.key) for fact in facts for name in fact.shared_names}


def fact_copy(facts: Sequence[Fact], leaves: Sequence[int]) -> bytes:
    """The rows of `fact` as a binary COPY."""
    numbers = np.array(
        [
            (one.identity, one.occurred_us, one.received_hour, leaf, one.v, one.q, ROLE_NUMBER[one.role])
            for one, leaf in zip(facts, leaves, strict=True)
        ],
        dtype=np.int64,
    ).reshape(-1, len(COLUMNS) - VARIABLE_FIELDS)
    kinds = ("bigint", "bigint", "integer", "integer", "integer", "integer", "smallint")
    fixed = fixed_rows([*zip(kinds, numbers.T, strict=True)], extra_fields=VARIABLE_FIELDS)
    return mixed_copy(fixed, [_tail(one) for one in facts])


def _tail(one: Fact) -> bytes:
    due = NULL if one.due_us is None else length_of(8) + one.due_us.to_bytes(8, "big", signed=True)
    return b"".join([due, *map(text_field, (one.kind, one.key, one.part, one.source, one.event_id))])


def _fact(columns: Sequence[Any]) -> Fact:  # Any: each column has a type of its own
    identity, kind, key, part, role, *told, touchpoint, channel, place = columns
    return Fact._make((identity, kind, key, part, ROLES[role], *told, Leaf(touchpoint, channel, place)))
