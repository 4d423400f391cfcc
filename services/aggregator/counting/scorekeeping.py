"""From a chunk's new events and facts to tallies and scores, under the locks of the persons they touch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.cache import CachedPerson, PersonCache
from services.aggregator.counting.event_columns import EventColumns
from services.aggregator.counting.holding import StaleNamesError, hold
from services.aggregator.counting.keeping_facts import Noted, with_noted
from services.aggregator.counting.linking import Followed, Move
from services.aggregator.counting.models import Models
from services.aggregator.counting.occasions import Occasion
from services.aggregator.counting.ports import ChunkTransaction
from services.aggregator.counting.writing_scores import write_scores
from services.core import scoring
from services.core.facts import Fact, Facts, PersonFacts
from services.core.instants import HOUR_US
from services.core.tallies import HOUR, LEAF, Tallies, fold, merge, sort_key
from services.core.tallies import N as COUNT
from services.state.facts import facts_of_persons
from services.state.persons import Locked

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

ALONE: Final[frozenset[int]] = frozenset()


class Kept(NamedTuple):
    """What a transaction leaves for the caches and the metrics once it has committed."""

    persons: Mapping[int, CachedPerson]
    overall: scoring.Reading[Floats]
    tallies: int
    """Of which tallies they are, by the number of swaps."""
    occasion: Occasion
    """What alerts may follow from."""

    @property
    def place_past(self) -> float:
        """The stake of what is heard of places, as the model in use has it."""
        return self.occasion.weigher.leaves.catalogue.place_past


async def keep_scores(  # noqa: PLR0913 -- what a chunk has stored before, and what scores are read by
    transaction: ChunkTransaction,
    events: EventColumns,
    *,
    noted: Noted,
    followed: Followed,
    cache: PersonCache,
    models: Models,
    at_us: int,
    late: bool,
) -> Kept:
    """Add the events to the tallies and score every person whom they or their facts touch, or the links have changed.

    Raises StaleNamesError when an identity no longer belongs to the person it was counted for.
    """
    identities, position = np.unique(events.identity, return_inverse=True)
    folded = fold(owner=position, leaf=events.leaf, hour=events.hour, v=events.v, q=events.q)
    person_of = _persons(events, noted, followed.moves)
    shaken = {person for move in followed.moves for person in (move.before, move.after)}
    locked = await _lock(transaction, {*person_of.values(), *shaken}, held=followed.held, cache=cache)
    await _point(transaction, followed, shaken)
    anew = shaken | {person_of[identity] for identity in noted.reread}
    held = await _sort(transaction, locked, shaken=shaken, anew=anew, cache=cache)
    _check_members(person_of, held)
    persons = held.persons()
    place_of = {person: place for place, person in enumerate(persons)}
    owner = np.array([place_of[person_of[one]] for one in identities.tolist()], dtype=np.int64)
    added = Tallies(owner[folded.owner], folded.rows)
    turn = await transaction.scores.turn()
    if cache.disagrees(turn.tallies):
        raise StaleNamesError  # other tallies were swapped in: what was remembered of the former ones is forgotten
    remembered = _remembered(held, place_of, added)
    fresh = _fresh(added, remembered, held, persons)
    await transaction.tallies.add(identities[folded.owner], folded.rows, fresh=fresh)
    read = await _read(transaction, held.unknown, person_of=person_of)
    whole = _whole(remembered, read.tallies, place_of)
    facts = _facts(held, noted, person_of, read.facts)
    beside = Facts({place_of[person]: one for person, one in facts.items()})
    scored = await write_scores(
        *(transaction, persons, whole, beside),
        turn=turn,
        models=models,
        # A chunk that lagged behind, or came by the late topic, must not take a score back to before a neighbour's events.
        at_hour=max(at_us // HOUR_US, held.as_of),
        merged=held.merged,
    )
    states = _states(persons, whole, facts, held, read.members, version=scored.version)
    weigher = await models.weigher(scored.generation.model, whole.rows[:, LEAF])
    occasion = Occasion(persons, whole, beside, weigher, at_us, _watched(locked, shaken, hour=at_us // HOUR_US), late)
    return Kept(states, scored.readings[0], turn.tallies, occasion)


async def _point(transaction: ChunkTransaction, followed: Followed, shaken: set[int]) -> None:
    """Let the names of identities that moved lead to where these are, if they are persons' and held."""
    if shaken:
        await transaction.persons.point(shaken | ({move.identity for move in followed.moves} & followed.held.keys()))


def _watched(locked: Mapping[int, Locked], shaken: Iterable[int], *, hour: int) -> frozenset[int]:
    """Tell who may have alerts that stand: their rows say so, or that of one who may have become part of them."""
    watched = {person for person, row in locked.items() if row.alert_until > hour}
    return frozenset(watched.union(shaken) if watched.intersection(shaken) else watched)


class _Held(NamedTuple):
    """The locked persons that will be scored: versions, what the cache knows, and whom it does not know."""

    locked: frozenset[int]
    cached: Mapping[int, CachedPerson]
    unknown: frozenset[int]
    """Persons whose tallies and facts must be read; who is neither cached nor unknown has none yet."""
    as_of: int
    """The latest hour that any of their stored scores was read at."""
    merged: frozenset[int]
    """Who became part of another."""

    def persons(self) -> list[int]:
        """Everybody, those to be read last."""
        return [*sorted(self.locked - self.unknown), *sorted(self.unknown)]


class _Read(NamedTuple):
    tallies: Tallies
    members: Mapping[int, frozenset[int]]
    facts: Mapping[int, PersonFacts]


def _persons(events: EventColumns, noted: Noted, moves: Iterable[Move]) -> dict[int, int]:
    """The person of every touched identity, after the moves."""
    person_of = {**noted.concerned, **dict(zip(events.identity.tolist(), events.person.tolist(), strict=True))}
    person_of.update({move.identity: move.after for move in moves if move.identity in person_of})
    return person_of


async def _lock(
    transaction: ChunkTransaction, touched: set[int], *, held: Mapping[int, Locked], cache: PersonCache
) -> dict[int, Locked]:
    """Lock all rows at once, unless the links had them locked before: then they are the same and more."""
    return {one: held[one] for one in touched} if held else await hold(transaction, touched, cache=cache)


async def _sort(
    transaction: ChunkTransaction, locked: dict[int, Locked], *, shaken: set[int], anew: set[int], cache: PersonCache
) -> _Held:
    merged: set[int] = set()
    if shaken:
        merged = {person for person, row in (await transaction.persons.lock(shaken)).items() if row.merged}
        locked = {person: row for person, row in locked.items() if person not in merged}
    if any(row.merged for person, row in locked.items() if person not in shaken):
        raise StaleNamesError
    cached: dict[int, CachedPerson] = {}
    unknown: set[int] = set()
    for person, row in locked.items():
        state = None if person in anew else cache.get(person, version=row.version)
        if state is not None:
            cached[person] = state
        elif row.version or person in anew:
            unknown.add(person)
    as_of = max((row.as_of for row in locked.values()), default=0)
    return _Held(frozenset(locked), cached, frozenset(unknown), as_of, frozenset(merged))


def _check_members(person_of: Mapping[int, int], held: _Held) -> None:
    """A valid state tells its members; an identity that is not among them was moved behind our back."""
    for identity, person in person_of.items():
        if identity == person or person in held.unknown:
            continue
        state = held.cached.get(person)
        if state is None or identity not in state.members:
            raise StaleNamesError


async def _read(transaction: ChunkTransaction, unknown: frozenset[int], *, person_of: Mapping[int, int]) -> _Read:
    """Read, after this chunk's tallies and facts were added, the persons that the cache does not know."""
    if not unknown:
        return _Read(merge([]), {}, {})
    members: dict[int, set[int]] = {person: set() for person in unknown}
    for number, _, person in await transaction.identities.of_persons(unknown):
        members[person].add(number)
    for identity, person in person_of.items():
        if person in unknown and identity not in members[person]:
            raise StaleNamesError
    stored = await transaction.tallies.of_persons(sorted(unknown))
    several = {person: frozenset(numbers) for person, numbers in members.items() if len(numbers) > 1}
    return _Read(stored, several, await facts_of_persons(transaction.facts, sorted(unknown)))


def _facts(
    held: _Held, noted: Noted, person_of: Mapping[int, int], read: Mapping[int, PersonFacts]
) -> dict[int, PersonFacts]:
    """Everybody's facts, of those who have any."""
    found = {person: state.facts for person, state in held.cached.items() if state.facts is not None}
    new: dict[int, list[Fact]] = {}
    for identity, facts in noted.of_identity.items():
        new.setdefault(person_of[identity], []).extend(facts)
    for person in new.keys() - held.unknown:
        found[person] = with_noted(found.get(person), new[person])
    return found | {**read}


def _remembered(held: _Held, place_of: Mapping[int, int], added: Tallies) -> Tallies:
    """The tallies of everybody but the unknown: what the cache holds, and what this chunk adds."""
    known = added.owner < len(held.locked) - len(held.unknown)
    parts = [Tallies(added.owner[known], added.rows[known])]
    if held.cached:
        rows = [state.rows for state in held.cached.values()]
        owners = [place_of[person] for person in held.cached]
        lengths = [len(one) for one in rows]
        parts.append(Tallies(np.repeat(owners, lengths), np.concatenate(rows)))
    return merge(parts)


def _fresh(added: Tallies, remembered: Tallies, held: _Held, persons: Sequence[int]) -> NDArray[np.bool_]:
    """Which of the added rows the database cannot have yet.

    Only of a person with one identity do the merged rows tell what is stored of that identity.
    """
    alone = np.array(
        [
            person not in held.unknown and (person not in held.cached or not held.cached[person].members)
            for person in persons
        ],
        dtype=np.bool_,
    )
    fresh = alone[added.owner]
    wanted = np.flatnonzero(fresh)
    stored_keys, added_keys = _keys(remembered, added)
    found = np.searchsorted(stored_keys, added_keys[wanted])
    stored = remembered.rows[found, COUNT] != added.rows[wanted, COUNT]
    fresh[wanted[stored]] = False
    return fresh


def _keys(one: Tallies, other: Tallies) -> tuple[Integers, Integers]:
    """Keys of two tallies that compare with each other."""
    rows = np.concatenate([one.rows[:, : HOUR + 1], other.rows[:, : HOUR + 1]])
    keys = sort_key(owner=np.concatenate([one.owner, other.owner]), middle=rows[:, LEAF], hour=rows[:, HOUR])
    return keys[: len(one.owner)], keys[len(one.owner) :]


def _whole(remembered: Tallies, read: Tallies, place_of: Mapping[int, int]) -> Tallies:
    """Everybody's tallies; the unknown stand last, so the two parts follow each other."""
    if not len(read.owner):
        return remembered
    owner = np.array([place_of[one] for one in read.owner.tolist()], dtype=np.int64)
    rest = merge([Tallies(owner, read.rows)])
    return Tallies(np.concatenate([remembered.owner, rest.owner]), np.concatenate([remembered.rows, rest.rows]))


def _states(
    persons: Sequence[int],
    whole: Tallies,
    facts: Mapping[int, PersonFacts],
    held: _Held,
    members: Mapping[int, frozenset[int]],
    *,
    version: int,
) -> dict[int, CachedPerson]:
    edges = np.searchsorted(whole.owner, np.arange(len(persons) + 1)).tolist()
    states = {}
    for position, person in enumerate(persons):
        cached = held.cached.get(person)
        known = cached.members if cached else members.get(person, ALONE)
        # A copy: a slice would keep the whole chunk's rows in memory for as long as one person stays cached.
        rows = whole.rows[edges[position] : edges[position + 1]].copy()
        states[person] = CachedPerson(version, rows, known, facts.get(person))
    return states
