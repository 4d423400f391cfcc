"""Give identities that are kept in clear the names that today's door gives them: all that hangs on them follows.

Each portion is one transaction that keeps every worker out, so it can end anywhere and be run again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from services.aggregator.counting.cache import PersonCache
from services.aggregator.counting.event_columns import EventColumns
from services.aggregator.counting.holding import StaleNamesError, hold
from services.aggregator.counting.keeping_facts import NOTHING_NOTED
from services.aggregator.counting.linking import Followed, Move, follow
from services.aggregator.counting.models import Models
from services.aggregator.counting.records import body_hash_of
from services.aggregator.counting.rewriting import Names, read_names, rewritten, words_of
from services.aggregator.counting.scorekeeping import keep_scores
from services.core.catalogue import Catalogue
from services.core.persons import is_customer, level_of
from services.state.database import Database, Transaction
from services.state.events import signed
from services.state.links import LinkRow
from services.state.renaming import Named, Place, Rewritten, StoredBody

PAGE: Final = 10_000
"""Identities looked at together; most need nothing."""

PORTION: Final = 100
"""Identities mended in one transaction: each may take a person's events and links with it."""

BODIES: Final = 2_000
"""Bodies in memory at once, of at most 32 KiB each."""

TRIES_MAX: Final = 1_000
"""Each try holds more persons than the one before; links reach no further than their bounds."""

Respelling = Callable[[str], Sequence[str] | None]
"""Gives the names of somebody who was kept in clear, the person's own first; None for what names nobody."""


class Mended(NamedTuple):
    """What was done."""

    identities: int = 0
    joined: int = 0
    """Of these, those that turned out to be somebody who was known already."""
    events: int = 0
    """Events that name somebody in another spelling since."""
    nameless: int = 0
    """Identities left as they are: the door refuses them today, and whom they stand for nobody can tell."""

    def plus(self, other: Mended) -> Mended:
        """Add them up."""
        return Mended(*(mine + its for mine, its in zip(self, other, strict=True)))


class Renamer:
    """Renames identities in a database that no worker counts into meanwhile."""

    def __init__(self, store: Database, catalogue: Catalogue, *, respell: Respelling, portion: int = PORTION) -> None:
        self._store = store
        self._respell = respell
        self._portion_max = portion
        self._models = Models.of_stored(store, catalogue)

    async def mend(self) -> Mended:
        """Go through all identities; raises UnavailableError when the database goes away, and may be run again."""
        done, after = Mended(), 0
        while page := await self._store.renaming.odd(after=after, limit=PAGE):
            after = page[-1].number
            odd = [one for one in page if self._respell(one.value) != (one.value,)]
            wanted = [one for one in odd if self._respell(one.value) is not None]
            done = done.plus(Mended(nameless=len(odd) - len(wanted)))
            for first in range(0, len(wanted), self._portion_max):
                done = done.plus(await self._portion(wanted[first : first + self._portion_max]))
        return done

    async def _portion(self, wanted: Sequence[Named]) -> Mended:
        held: frozenset[int] = frozenset()
        for _ in range(TRIES_MAX):
            try:
                async with self._store.transaction() as transaction:
                    await transaction.renaming.begin()
                    return await _Portion(transaction, self._models, self._names(wanted)).mend(held)
            except StaleNamesError as error:
                held |= error.persons
        raise RuntimeError("links reach further than their bounds")

    def _names(self, wanted: Iterable[Named]) -> Names:
        return {one.value: self._respell(one.value) or (one.value,) for one in wanted}


class _Portion:
    """One transaction's work."""

    def __init__(self, transaction: Transaction, models: Models, names: Names) -> None:
        self._transaction = transaction
        self._say = transaction.renaming
        self._models = models
        self._names = names

    async def mend(self, held: frozenset[int]) -> Mended:
        """Rename, and let persons and scores follow; `held` are persons to be held with those that are looked up."""
        former = await self._say.find(self._names)
        if not former:
            return Mended()
        renamed, merged, number_of = await self._numbers(former)
        persons = await self._persons({*former.values(), *number_of.values()})
        links = await self._say.take_links(persons)
        events, added = await self._events(former, links, number_of)
        if merged:
            await self._say.merge(merged)
        await self._say.rename(renamed)
        before = {one: merged.get(person, person) for one, person in persons.items() if one not in merged}
        await self._say.part(before)
        await self._follow(before, _with_other_numbers([*links, *added], merged), held)
        return Mended(len(former), len(merged), events)

    async def _numbers(self, former: Mapping[str, int]) -> tuple[dict[int, str], dict[int, int], dict[str, int]]:
        """Who takes another name, who turns out to be whom, and the number of every name."""
        known = await self._say.find(name for value in former for name in self._names[value])
        renamed: dict[int, str] = {}
        merged: dict[int, int] = {}
        for value, number in sorted(former.items(), key=lambda item: item[1]):
            name = self._names[value][0]
            if name == value:
                continue
            if name in known:
                merged[number] = known[name]
            else:
                renamed[number], known[name] = name, number
        beside = {name for value in former for name in self._names[value][1:]} - known.keys()
        if beside:
            await self._say.add(beside)
            known |= await self._say.find(beside)
        return renamed, merged, known

    async def _persons(self, identities: set[int]) -> dict[int, int]:
        """The persons of these, with all of their identities: each one's person."""
        persons = {node.person for node in await self._transaction.links.nodes(identities)}
        return {row.number: row.person for row in await self._transaction.identities.of_persons(persons)}

    async def _events(
        self, former: Mapping[str, int], links: Iterable[LinkRow], number_of: Mapping[str, int]
    ) -> tuple[int, list[LinkRow]]:
        """Rewrite the events that name these; how many, and the links with whom is named beside."""
        beside: defaultdict[int, set[int]] = defaultdict(set)
        for link in links:
            beside[link.a].add(link.b)
            beside[link.b].add(link.a)
        words = {(number, "") for number in former.values()}
        for value, number in former.items():
            words |= {(other, words_of(value)) for other in beside[number]}
        places = await self._say.places_naming(words)
        best: dict[tuple[int, int, str], LinkRow] = {}
        for first in range(0, len(places), BODIES):
            for row in await self._rewrite(places[first : first + BODIES], number_of):
                if row.key not in best or row.turn < best[row.key].turn:
                    best[row.key] = row
        return len(places), list(best.values())

    async def _rewrite(self, places: Sequence[Place], number_of: Mapping[str, int]) -> list[LinkRow]:
        changed: list[Rewritten] = []
        links: list[LinkRow] = []
        for row in await self._say.bodies(places):
            body = rewritten(row.body, self._names)
            changed.append(Rewritten(row.occurred_at, row.key, body, signed(body_hash_of(body.encode()))))
            links += _links_beside(row, body, self._names, number_of)
        await self._say.rewrite(changed)
        return links

    async def _follow(self, before: Mapping[int, int], links: Sequence[LinkRow], held: frozenset[int]) -> None:
        """Join persons anew by their links, and score whoever was or is one of them."""
        touched = {*before, *before.values(), *held}
        cache = PersonCache(rows_max=0)
        followed = await follow(self._transaction, links, touched=touched, cache=cache) if links else Followed()
        locked = followed.held or await hold(self._transaction, touched, cache=cache)
        after = {node.number: node.person for node in await self._transaction.links.nodes(before)}
        moves = [Move(one, person, after[one]) for one, person in before.items()] + [*followed.moves]
        nothing = np.empty(0, dtype=np.int64)
        await keep_scores(
            self._transaction,
            EventColumns(nothing, nothing, nothing, nothing, nothing, nothing),
            noted=NOTHING_NOTED,
            followed=Followed(locked, moves),
            cache=cache,
            models=self._models,
            at_us=0,
            late=True,
        )
        await self._transaction.account_scores.mark([*locked])


def _with_other_numbers(links: Iterable[LinkRow], merged: Mapping[int, int]) -> list[LinkRow]:
    """The links as they would have been kept under the present names.

    Kinds change only among strong ones that are no customers, so neither trust nor level of a link does.
    """
    best: dict[tuple[int, int, str], LinkRow] = {}
    for link in links:
        a, b = merged.get(link.a, link.a), merged.get(link.b, link.b)
        if a == b:
            continue
        if not link.claim and a > b:
            a, b = b, a
        row = link._replace(a=a, b=b)
        if row.key not in best or row.turn < best[row.key].turn:
            best[row.key] = row
    return sorted(best.values())


def _links_beside(row: StoredBody, body: str, names: Names, number_of: Mapping[str, int]) -> list[LinkRow]:
    """The links of an event's subject with those who are named beside it since."""
    event = read_names(body)
    found = []
    for itself, *beside in names.values():
        if itself != event.subject:
            continue
        for other in event.others & set(beside):
            level = level_of(itself, other, trust=event.trust)
            place = (
                row.source.partition("/")[0],
                is_customer(itself),
                level,
                row.occurred_at,
                row.event_id,
                row.key.bytes,
            )
            found.append(LinkRow(number_of[itself], number_of[other], *place))
    return found
