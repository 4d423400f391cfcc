"""Which identities are one person: a pure function of the set of links, whatever order they came in."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from services.core.identity import CUSTOMER, WEAK, kind_of, strength

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LEAST_TRUST: Final = 2
"""Of a browser's key, which anybody can read, and of a record that does not say what key it came in by."""

TRUST_OF_KEY: Final[Mapping[str, int]] = MappingProxyType({"server": 0, "till": 0, "signed": 1, "browser": LEAST_TRUST})
"""How far each kind of key is believed about who is who: the smaller, the more."""

LEVELS: Final = 3 * (LEAST_TRUST + 1)
"""A link's level is three times its trust plus the number of its weak ends: the smaller, the sooner it is heard."""

ALIAS: Final = -1
"""The level of what a server says of two customers: that they are one. Nothing else joins these."""

ALIAS_KEY: Final = "server"
"""The only kind of key that is believed about it: a till is one of many, and what a page sends anybody can."""

NO_CROWD: Final = LEVELS
"""An identity in no crowd: its links of every level count."""


class Bounds(NamedTuple):
    """How many identities may hang together before their links say nothing about anybody."""

    peers: int
    """Identities that are no customers, joined by links that a weak identity or a lesser key has a part in. A visitor's
    device with a new cookie every week has 52 in a year; who logs in claims them one by one, past this bound too."""
    peers_of_servers: int
    """The same, by links between strong identities under server keys: a family with its cards, mail and phones."""
    claims: int
    """Links of one customer, the first of them: three browsers with a new cookie every week for 20 months."""
    aliases: int
    """Customers joined by aliases; no more than the others, so that these never count a customer. Who checks out as a
    guest becomes another customer every time: once a month for more than two years."""

    def peers_at(self, level: int) -> int:
        """How many may hang together by links of this level and better ones."""
        if level == ALIAS:
            return self.aliases
        return self.peers_of_servers if level == 0 else self.peers


BOUNDS: Final = Bounds(peers=32, peers_of_servers=128, claims=256, aliases=32)


Turn = tuple[int, int, str, bytes]


class Link(NamedTuple):
    """Two identities that one event named together, or two customers of which a server says that they are one."""

    a: str
    b: str
    level: int
    occurred_at_us: int
    event_id: str
    event_key: bytes
    """Of the event's whole source and id: no two events have the same."""
    source: str

    @property
    def alias(self) -> bool:
        """Whether it joins two customers."""
        return self.level == ALIAS

    @property
    def turn(self) -> Turn:
        """Its place in the order of hearing: trust, strength, then time and id."""
        return self.level, self.occurred_at_us, self.event_id, self.event_key


def level_of(a: str, b: str, *, trust: int) -> int:
    """Give the level of a link that is no alias: the trust of its key first, then how many of its ends are weak."""
    return 3 * trust + (kind_of(a) in WEAK) + (kind_of(b) in WEAK)


def is_customer(identity: str) -> bool:
    """Tell whether the company itself gave this name."""
    return kind_of(identity) == CUSTOMER


def persons(links: Iterable[Link], bounds: Bounds = BOUNDS) -> dict[str, str]:
    """Name the person of every identity that the links mention.

    Each pair and source keeps its best link, by (level, time, id), and they are heard in that order, aliases first; any
    other that would make two customers one person is ignored. Not heard at all are the links

    - in a crowd: customers of whom more hang together by aliases than the bounds allow, and identities that are no
      customers, by links of this level and better ones. A crowd stays one whatever comes later, and better links go on
      to count;
    - of a customer past the bound, which stand after its first ones;
    - between an identity and a customer, when the identity has a better one with a customer.
    """
    kept = _kept(links)
    between = [link for link in kept if link.alias or not (is_customer(link.a) and is_customer(link.b))]
    claims = [link for link in between if not link.alias and (is_customer(link.a) or is_customer(link.b))]
    peers = [link for link in between if link.alias or not (is_customer(link.a) or is_customer(link.b))]
    crowd = crowds(peers, {}, bounds)
    heard = [link for link in peers if link.level < crowd.get(link.a, NO_CROWD)]
    named = joined([*heard, *_heard_claims(claims, bounds)])
    return {identity: named.get(identity, identity) for link in kept for identity in (link.a, link.b)}


def crowds(peers: Iterable[Link], known: Mapping[str, int], bounds: Bounds) -> dict[str, int]:
    """Tell from which level on an identity is in a crowd, of those that are in one or were known to be.

    Peers are links between identities that are no customers, and aliases, between customers. Who is known to be in a crowd draws in whoever is linked.
    """
    by_level: dict[int, list[Link]] = {level: [] for level in {0, 1, *known.values()} if level < LEVELS}
    for link in peers:
        by_level.setdefault(link.level, []).append(link)
    crowd = {identity: level for identity, level in known.items() if level < LEVELS}
    groups = _Groups()
    for level in sorted(by_level):
        for link in by_level[level]:
            groups.join(groups.root(link.a), groups.root(link.b))
        for members in groups.lists():
            if len(members) > bounds.peers_at(level) or any(crowd.get(one, NO_CROWD) <= level for one in members):
                crowd.update({one: min(crowd.get(one, NO_CROWD), level) for one in members})
    return crowd


def joined(links: Iterable[Link]) -> dict[str, str]:
    """Join identities by links that are heard, the best first, never two customers but by alias; name each one's."""
    groups = _Groups()
    for link in sorted(links, key=_place):
        a, b = groups.root(link.a), groups.root(link.b)
        if a == b:
            continue
        stronger, weaker = (a, b) if strength(a) < strength(b) else (b, a)
        # A customer is stronger than all else: a group that has one has one for its root, and so it has the best name.
        if link.alias or not is_customer(weaker):
            groups.join(stronger, weaker)
    return groups.names()


def _place(link: Link) -> tuple[object, ...]:
    """Whatever the direction, so that ties are settled by the identities alone."""
    return *link[2:6], min(link.a, link.b), max(link.a, link.b)


def _kept(links: Iterable[Link]) -> list[Link]:
    """The best link of each pair and source."""
    best: dict[tuple[str, str, str], Link] = {}
    for link in links:
        one = link if link.a <= link.b else link._replace(a=link.b, b=link.a)
        key = (one.a, one.b, one.source)
        if key not in best or one.turn < best[key].turn:
            best[key] = one
    return list(best.values())


def _heard_claims(claims: Iterable[Link], bounds: Bounds) -> list[Link]:
    """Each identity's best link with a customer, if it is among the customer's first."""
    of_customer: dict[str, list[Turn]] = {}
    best: dict[str, tuple[Turn, str, Link]] = {}
    for link in claims:
        customer, identity = (link.a, link.b) if is_customer(link.a) else (link.b, link.a)
        of_customer.setdefault(customer, []).append(link.turn)
        mine = (link.turn, customer, link)
        best[identity] = min(best.get(identity, mine), mine)
    last = {customer: sorted(turns)[: bounds.claims][-1] for customer, turns in of_customer.items()}
    return [link for turn, customer, link in best.values() if turn <= last[customer]]


class _Groups:
    """Identities joined so far, as a forest."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def join(self, kept: str, gone: str) -> None:
        """Let one root be that of both trees."""
        self._parent[gone] = kept

    def lists(self) -> Iterable[list[str]]:
        """Give the members of each tree."""
        members: dict[str, list[str]] = {}
        for identity in self._parent:
            members.setdefault(self.root(identity), []).append(identity)
        return members.values()

    def names(self) -> dict[str, str]:
        """Give each identity its root."""
        return {identity: self.root(identity) for identity in self._parent}

    def root(self, identity: str) -> str:
        parents = self._parent
        root = parents.setdefault(identity, identity)
        if parents[root] == root:
            return root
        while parents[root] != root:
            root = parents[root]
        while parents[identity] != root:
            parents[identity], identity = root, parents[identity]
        return root
