"""From a chunk's new events to tallies and scores, under the locks of the persons they touch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.cache import PersonCache, State
from services.aggregator.eventcolumns import EventColumns, score_copy
from services.aggregator.linking import Move
from services.aggregator.transaction import Transaction
from services.core import columns, scoring
from services.core.catalogue import Parameters
from services.core.columns import Tallies
from services.core.leaves import Leaves

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

WINDOWS_H: Final = (None, *scoring.WINDOWS.values())


ALONE: Final[frozenset[int]] = frozenset()


class StaleNamesError(Exception):
    """Identities moved to other persons since they were looked up: run the chunk again with fresh names."""


class Scored(NamedTuple):
    """What a transaction leaves for the caches and the metrics once it has committed."""

    states: Mapping[int, State]
    overall: scoring.Reading[Floats]


class Model(NamedTuple):
    """What turns tallies into scores, and its number in the database."""

    cover: Callable[[Integers], Awaitable[Leaves]]
    """Gives the leaves, among them those numbered so."""
    parameters: Parameters
    number: int


async def keep_scores(
    transaction: Transaction,
    events: EventColumns,
    *,
    moves: Sequence[Move],
    cache: PersonCache,
    model: Model,
    at_hour: int,
) -> Scored:
    """Add the events to the tallies and score every person they or the moves touch.

    Raises StaleNamesError when an identity no longer belongs to the person it was counted for.
    """
    identities, position = np.unique(events.identity, return_inverse=True)
    folded = columns.fold(
        owner=position, leaf=events.leaf, hour=events.hour, v=events.v, q=events.q
    )
    person_of = _persons(events, moves)
    shaken = {person for move in moves for person in (move.before, move.after)}
    held = await _lock(
        transaction, {*person_of.values(), *shaken}, shaken=shaken, cache=cache
    )
    _check_members(person_of, held)
    await transaction.add_tallies(identities[folded.owner], folded.rows)
    read = await _read(transaction, held.unknown, person_of=person_of)

    persons = np.array(sorted(held.versions), dtype=np.int64)
    owner_of = np.searchsorted(
        persons,
        np.array([person_of[one] for one in identities.tolist()], dtype=np.int64),
    )
    added = Tallies(owner_of[folded.owner], folded.rows)
    whole = _assemble(persons, held, added=added, read=read.tallies)
    readings = scoring.read(
        whole,
        owners=len(persons),
        leaves=await model.cover(whole.rows[:, columns.LEAF]),
        at_hour=at_hour,
        parameters=model.parameters,
        windows_h=WINDOWS_H,
    )
    version = await transaction.next_version()
    rows = score_copy(
        persons, readings, version=version, model=model.number, at_hour=at_hour
    )
    await transaction.write_scores(rows)
    return Scored(
        _states(persons, whole, held, read.members, version=version), readings[0]
    )


class _Held(NamedTuple):
    """The locked persons that will be scored: versions, what the cache knows, and whom it does not know."""

    versions: Mapping[int, int]
    cached: Mapping[int, State]
    unknown: frozenset[int]


class _Read(NamedTuple):
    tallies: Tallies
    members: Mapping[int, frozenset[int]]


def _persons(events: EventColumns, moves: Iterable[Move]) -> dict[int, int]:
    """The person of every touched identity, after the moves."""
    person_of = dict(zip(events.identity.tolist(), events.person.tolist(), strict=True))
    person_of.update(
        {move.identity: move.after for move in moves if move.identity in person_of}
    )
    return person_of


async def _lock(
    transaction: Transaction, touched: set[int], *, shaken: set[int], cache: PersonCache
) -> _Held:
    # Rows are made before any is locked, and both in the order of the numbers: no two transactions wait in a circle.
    await transaction.add_persons(person for person in touched if person not in cache)
    locked = await transaction.lock_persons(touched)
    if shaken:
        await transaction.point_persons(shaken)
        merged = {
            person
            for person, row in (await transaction.lock_persons(shaken)).items()
            if row.merged
        }
        locked = {person: row for person, row in locked.items() if person not in merged}
    if any(row.merged for person, row in locked.items() if person not in shaken):
        raise StaleNamesError
    cached: dict[int, State] = {}
    unknown: set[int] = set()
    for person, row in locked.items():
        state = None if person in shaken else cache.get(person, version=row.version)
        if state is not None:
            cached[person] = state
        elif row.version or person in shaken:
            unknown.add(person)
    return _Held(
        {person: row.version for person, row in locked.items()},
        cached,
        frozenset(unknown),
    )


def _check_members(person_of: Mapping[int, int], held: _Held) -> None:
    """A valid state tells its members; an identity that is not among them was moved behind our back."""
    for identity, person in person_of.items():
        if identity == person or person in held.unknown:
            continue
        state = held.cached.get(person)
        if state is None or identity not in state.members:
            raise StaleNamesError


async def _read(
    transaction: Transaction, unknown: frozenset[int], *, person_of: Mapping[int, int]
) -> _Read:
    """Read, after this chunk's tallies were added, the persons that the cache does not know."""
    if not unknown:
        return _Read(columns.merge([]), {})
    members: dict[int, set[int]] = {person: set() for person in unknown}
    for number, _, person in await transaction.members(unknown):
        members[person].add(number)
    for identity, person in person_of.items():
        if person in unknown and identity not in members[person]:
            raise StaleNamesError
    stored = await transaction.read_tallies(sorted(unknown))
    several = {
        person: frozenset(numbers)
        for person, numbers in members.items()
        if len(numbers) > 1
    }
    return _Read(stored, several)


def _assemble(
    persons: Integers, held: _Held, *, added: Tallies, read: Tallies
) -> Tallies:
    """Everybody's tallies, owners numbered by their position in `persons`."""
    fresh = np.ones(len(persons), dtype=np.bool_)
    fresh[np.searchsorted(persons, np.array(sorted(held.unknown), dtype=np.int64))] = (
        False
    )
    wanted = fresh[added.owner]
    parts = [Tallies(added.owner[wanted], added.rows[wanted])]
    if held.cached:
        numbers = np.array(list(held.cached), dtype=np.int64)
        rows = [state.rows for state in held.cached.values()]
        lengths = [len(one) for one in rows]
        parts.append(
            Tallies(
                np.repeat(np.searchsorted(persons, numbers), lengths),
                np.concatenate(rows),
            )
        )
    if len(read.owner):
        parts.append(Tallies(np.searchsorted(persons, read.owner), read.rows))
    return columns.merge(parts)


def _states(
    persons: Integers,
    whole: Tallies,
    held: _Held,
    members: Mapping[int, frozenset[int]],
    *,
    version: int,
) -> dict[int, State]:
    edges = np.searchsorted(whole.owner, np.arange(len(persons) + 1)).tolist()
    states = {}
    for position, person in enumerate(persons.tolist()):
        cached = held.cached.get(person)
        known = cached.members if cached else members.get(person, ALONE)
        # A copy: a slice would keep the whole chunk's rows in memory for as long as one person stays cached.
        states[person] = State(
            version, whole.rows[edges[position] : edges[position + 1]].copy(), known
        )
    return states
