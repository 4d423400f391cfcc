"""Links inside a chunk's transaction: keep them, and let identities follow to their persons.

What is read for it is bounded, whatever hangs together: links of crowds are not followed, of an identity only the best
link with a customer counts, and of a customer only so many (see core.persons, whose rules these are). An alias is a link
between customers as others are between identities that are none, so it is followed as these are; beside that an
identity's customer stands for whatever person that customer is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from schemas.touchpoint import RECORD_IDENTITIES_MAX
from services.aggregator.counting.cache import PersonCache
from services.aggregator.counting.holding import StaleNamesError, hold
from services.aggregator.counting.numbering import Directory
from services.aggregator.counting.ports import ChunkTransaction
from services.aggregator.counting.records import Event
from services.core.instants import instant_of, micros_of
from services.core.persons import ALIAS, BOUNDS, NO_CROWD, Bounds, Link, crowds, is_customer, joined, level_of
from services.state.links import LinkRow, Node, Turn
from services.state.persons import Locked

KNOWN_MAX: Final = 200_000
"""Links remembered as stored, so that an event that repeats one costs no statement."""

LinkKey = tuple[int, int, str]


class Move(NamedTuple):
    """An identity that leaves one person for another; numbers."""

    identity: int
    before: int
    after: int


class Followed(NamedTuple):
    """What new links have changed, and how many of them count for nothing."""

    held: Mapping[int, Locked] = MappingProxyType({})
    """The persons whose rows were locked for it."""
    moves: Sequence[Move] = ()
    in_crowds: int = 0
    past_bound: int = 0


class Linker:
    """Finds the links of a chunk that are not known to be stored."""

    def __init__(self) -> None:
        self._known: dict[LinkKey, Turn] = {}

    def news(self, events: Iterable[Event], directory: Directory) -> list[LinkRow]:
        """The best link of each pair and source that is better than what is known to be stored."""
        best: dict[LinkKey, LinkRow] = {}
        for event in events:
            for row in _rows(event, directory):
                known = best[row.key].turn if row.key in best else self._known.get(row.key)
                if known is None or row.turn < known:
                    best[row.key] = row
        return sorted(best.values())

    def stored(self, links: Sequence[LinkRow]) -> None:
        """Remember links whose transaction committed."""
        if len(self._known) > KNOWN_MAX:
            self._known.clear()
        for link in links:
            self._known[link.key] = link.turn


def _rows(event: Event, directory: Directory) -> Iterator[LinkRow]:
    """The links between an event's subject, which is its strongest identity, and the others that it names."""
    number, claim = directory[event.subject].number, is_customer(event.subject)
    for other in event.others:
        level = level_of(event.subject, other, trust=event.trust)
        yield _row(event, number, directory[other].number, claim=claim, level=level)
    if event.alias:
        yield _row(event, number, directory[event.alias].number, claim=False, level=ALIAS)


def _row(event: Event, a: int, b: int, *, claim: bool, level: int) -> LinkRow:
    if not claim and a > b:
        a, b = b, a
    # The client's own part of the source makes no other row, or one key could make any number.
    source = event.source.partition("/")[0]
    return LinkRow(a, b, source, claim, level, instant_of(event.occurred_us), event.event_id, event.key)


async def follow(
    transaction: ChunkTransaction,
    links: Sequence[LinkRow],
    *,
    touched: Iterable[int],
    cache: PersonCache,
    bounds: Bounds = BOUNDS,
) -> Followed:
    """Keep the links and tell which identities belong to another person for them.

    `touched` are the persons to be held anyway. Raises StaleNamesError when others must be held with them: links of
    an identity count only under the lock of its person, so what is read of its neighbourhood is complete.
    """
    new = await transaction.links.add(links)
    if not new:
        return Followed()
    work = _Work(transaction, [link for link in links if link.key in new], bounds)
    await work.look()
    held = await hold(transaction, {*touched, *work.persons}, cache=cache)
    return await work.follow(held)


class _Work:
    """The new links of one transaction."""

    def __init__(self, transaction: ChunkTransaction, links: Sequence[LinkRow], bounds: Bounds) -> None:
        self._transaction = transaction
        self._bounds = bounds
        self._peers = [link for link in links if not link.claim]
        self._claims = [link for link in links if link.claim]
        self._ends: dict[int, Node] = {}
        self._seeds: set[int] = set()

    @property
    def persons(self) -> set[int]:
        """Whose identities may move."""
        customers = {link.a for link in self._claims}
        return {self._ends[number].person for number in self._seeds | customers}

    async def look(self) -> None:
        """Find the identities for which the links may mean something; without locks, because a crowd stays one.

        So does a claim that is not the best of its identity: neither ever becomes better.
        """
        ends = {number for link in (*self._peers, *self._claims) for number in (link.a, link.b)}
        self._ends = {node.number: node for node in await self._transaction.links.nodes(ends)}
        if gone := ends - self._ends.keys():
            raise StaleNamesError(gone=gone)  # retention has forgotten them since they were looked up
        for link in self._peers:
            self._seeds.update(number for number in (link.a, link.b) if link.level < self._ends[number].crowd)
        if self._claims:
            best = await self._transaction.links.best_claims({link.b for link in self._claims})
            self._seeds |= {claim.b for claim in best} & {link.b for link in self._claims if link in best}

    async def follow(self, held: Mapping[int, Locked]) -> Followed:
        """Read the neighbourhood under the locks, and move who belongs to somebody else."""
        last = await self._last({link.a for link in self._claims})
        seeds = await self._telling() | await self._displaced(last)
        nodes = await self._neighbourhood(seeds)
        among = await self._transaction.links.among(list(nodes.values())) if len(nodes) > 1 else []
        claims = await self._transaction.links.best_claims(nodes) if nodes else []
        last |= await self._last({claim.a for claim in claims} - {link.a for link in self._claims})
        customers = await self._customers({claim.a for claim in claims} - nodes.keys())
        people = _People({**self._ends, **nodes, **customers}, self._peers, among, self._bounds)
        moves = people.moves(nodes, [claim for claim in claims if _counts(claim, last)])
        _check(held, {node.person for node in nodes.values()} | {move.after for move in moves} | people.renamed(moves))
        late = [link for link in self._claims if not _counts(link, last)]
        marks = {link.a: link.level for link in late if self._ends[link.a].crowd == NO_CROWD} | people.marks
        if marks:
            await self._transaction.links.mark(marks)
        if moves:
            await self._transaction.identities.move({move.identity: move.after for move in moves})
        return Followed(held, moves, people.refused, len(late))

    async def _neighbourhood(self, seeds: set[int]) -> dict[int, Node]:
        """The seeds and all that hangs together with them; where customers do, everybody who belongs to them as well."""
        nodes = await self._transaction.links.around(seeds) if seeds else []
        if persons := {node.person for node in nodes if is_customer(node.value)}:
            members = {row.number for row in await self._transaction.identities.of_persons(persons)}
            nodes = await self._transaction.links.around({node.number for node in nodes} | members)
        return {node.number: node for node in nodes}

    async def _telling(self) -> set[int]:
        """The seeds without the ends of links inside a person that has no customer.

        That person is one group, whose links all count: one more, or a better one, joins and parts nobody.
        """
        persons = {self._ends[link.a].person for link in self._peers if self._is_inside(link)}
        if not persons:
            return self._seeds
        ends = {number for number in self._seeds if self._ends[number].person in persons}
        # What was seen before the locks may be over; under them it stays.
        self._ends |= {node.number: node for node in await self._transaction.links.nodes(ends | persons)}
        nameless = {person for person in persons if not is_customer(self._ends[person].value)}
        telling = {link.b for link in self._claims}
        for link in self._peers:
            if not (self._is_inside(link) and self._ends[link.a].person in nameless):
                telling |= {link.a, link.b}
        return self._seeds & telling

    def _is_inside(self, link: LinkRow) -> bool:
        return self._ends[link.a].person == self._ends[link.b].person

    async def _last(self, customers: set[int]) -> dict[int, LinkRow]:
        """The last claim that counts of each customer that has as many as may count."""
        if not customers:
            return {}
        rows = await self._transaction.links.claims_from(self._bounds.claims - 1, dict.fromkeys(customers, 1))
        return {row.a: row for row in rows}

    async def _displaced(self, last: Mapping[int, LinkRow]) -> set[int]:
        """Identities whose claim may have counted until the new ones came before it."""
        counts: dict[int, int] = {}
        for link in self._claims:
            if link.a in last and link.turn <= last[link.a].turn:
                # What one event has named stands at one place, and counts or not as one.
                counts[link.a] = counts.get(link.a, RECORD_IDENTITIES_MAX) + 1
        if not counts:
            return set()
        return {claim.b for claim in await self._transaction.links.claims_from(self._bounds.claims, counts)}

    async def _customers(self, numbers: set[int]) -> dict[int, Node]:
        """Customers under the locks: who they were before may be over."""
        return {node.number: node for node in await self._transaction.links.nodes(numbers)} if numbers else {}


class _People:
    """Who is one person in a neighbourhood."""

    def __init__(
        self, nodes: Mapping[int, Node], new: Sequence[LinkRow], among: Sequence[LinkRow], bounds: Bounds
    ) -> None:
        self._nodes = nodes
        self._number_of = {node.value: node.number for node in nodes.values()}
        # A customer whose claims are too many bears their level, which says nothing about aliases.
        known = {
            node.value: node.crowd
            for node in nodes.values()
            if node.crowd < NO_CROWD and (node.crowd == ALIAS or not is_customer(node.value))
        }
        fresh = [self._named(row) for row in new]
        old = [self._named(row) for row in among]
        crowd = crowds((*fresh, *old), known, bounds) if new else known
        self.marks = {self._number_of[value]: level for value, level in crowd.items() if known.get(value) != level}
        """Identities that have come into a crowd, or into one by better links."""
        self.refused = sum(link.level >= crowd.get(link.a, NO_CROWD) for link in fresh)
        self._heard = [link for link in old if link.level < crowd.get(link.a, NO_CROWD)]

    def moves(self, nodes: Collection[int], claims: Iterable[LinkRow]) -> list[Move]:
        """Tell which of these nodes belong to another person than they did."""
        names = joined([*self._heard, *(self._named(row) for row in claims)])
        found = []
        for number in nodes:
            node = self._nodes[number]
            root = self._number_of[names.get(node.value, node.value)]
            # A customer outside stands for its person: aliases that are not looked at go on as they are.
            person = root if root in nodes else self._nodes[root].person
            if person != node.person:
                found.append(Move(number, node.person, person))
        return found

    def renamed(self, moves: Iterable[Move]) -> set[int]:
        """Customers among them: whoever asks for one is told at once whose name it goes by, however often that changed."""
        return {move.identity for move in moves if is_customer(self._nodes[move.identity].value)}

    def _named(self, row: LinkRow) -> Link:
        a, b = self._nodes[row.a].value, self._nodes[row.b].value
        return Link(a, b, row.level, micros_of(row.occurred_at), row.event_id, row.event_key, row.source)


def _counts(claim: LinkRow, last: Mapping[int, LinkRow]) -> bool:
    return claim.a not in last or claim.turn <= last[claim.a].turn


def _check(held: Mapping[int, Locked], needed: set[int]) -> None:
    if missing := needed - held.keys():
        raise StaleNamesError(missing)
