"""Which identities are one person: a pure function of the set of links, whatever order they came in."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KIND_ORDER: Final[Mapping[str, int]] = MappingProxyType(
    {"customer": 0, "loyalty": 1, "email_hash": 2, "email": 2, "phone_hash": 3, "phone": 3, "anonymous": 5, "device": 6}
)
"""Strongest first. E-mail and phone stand where their hashes will: only ingest ever sees them plain."""

EXTENSION_ORDER: Final = 4
"""Where kinds that a deployment adds (x-…) stand."""

CUSTOMER: Final = "customer"
WEAK: Final = frozenset({"anonymous", "device"})
"""Kinds that a browser or a machine makes up, and that several people may share."""

NAMELESS: Final = frozenset(
    {
        "#n/a", "#name?", "#null!", "#ref!", "#value!", "-1", "object object", "anon", "anonymous", "distinct_id", "distinctid", "email", "false",
        "ffffffff-ffff-ffff-ffff-ffffffffffff", "guest", "id", "n/a", "nan", "nil", "none", "not set",
        "not_authenticated", "null", "true", "undefined", "unknown",
    }
)  # fmt: skip
"""What programs send when they do not know who it is; linking by one would weld strangers together."""

QUOTES: Final = "\"'` \t\r\n\u00a0\u00ad\u200b\u200c\u200d\u2060\u3000"
"""What programs leave around a value, and characters that nobody sees."""

BRACKETS: Final = "()<>[]{}"
"""What programs put around a word that stands for nothing: (null), <null>, [object Object]."""

MARKS: Final = re.compile(r"[{<%$#*\[]")
"""Without one of these there is no such place: nearly every id has none."""

TEMPLATE: Final = re.compile(
    r"\{\{.*\}\}|\{%.*%\}|<%.*%>|%%.*%%|\$\{.*\}|#\{.*\}|\[\[.*\]\]|\*\|.*\|\*|^%[a-z_.-]+%$|^\$[a-z_.-]+$|^[{<\[]+[a-z_. -]+[}>\]]+$"
)
"""A place in a template that nobody filled: {{user.id}}, ${userId}, %%USER_ID%%, *|EMAIL|*, <%= id %>, {user_id}."""

VALUE_CHARACTERS_MAX: Final = 256
"""An index row must hold it; a UUID is 36 characters, the longest e-mail address 254."""


class Link(NamedTuple):
    """Two identities that one event named together; alias: a server says that they are the same."""

    a: str
    b: str
    occurred_at_us: int
    event_id: str
    source: str
    alias: bool


def kind_of(identity: str) -> str:
    """Give the kind of `kind:value`."""
    return identity.partition(":")[0]


def strength(identity: str) -> tuple[int, str]:
    """Sort key: the strongest kind first, then the smallest text."""
    return KIND_ORDER.get(kind_of(identity), EXTENSION_ORDER), identity


def strongest(identities: Iterable[str]) -> str:
    """Choose the identity that names a person or takes an event; raises ValueError when there is none."""
    return min(identities, key=strength)


def refusal(kind: str, value: str) -> str | None:
    """Tell why a value must never name anyone; None when it may."""
    bare = value.strip(QUOTES).casefold()
    word = bare.strip(BRACKETS)
    if not word:
        return f"{kind} is empty; leave it out"
    if word in NAMELESS or bare in NAMELESS or not word.strip("0-") or (MARKS.search(bare) and TEMPLATE.search(bare)):
        return f"{kind} {bare!r} is a placeholder that would weld strangers together; leave it out"
    if len(value) > VALUE_CHARACTERS_MAX:
        return f"{kind} is longer than {VALUE_CHARACTERS_MAX} characters"
    return None


def persons(links: Iterable[Link]) -> dict[str, str]:
    """Name the person of every identity that the links mention.

    Aliases always join. After them, links between strong identities, then from a weak to a strong one, then between
    weak ones, the earliest first; of these, a link that would make two customers one person is ignored. So customers
    never merge but by alias, and a weak identity belongs to at most one of them.
    """
    groups = _Groups()
    for link in sorted({_normal(link) for link in links}, key=_turn):
        groups.join(link)
    return groups.names()


def _normal(link: Link) -> Link:
    return link if link.a <= link.b else link._replace(a=link.b, b=link.a)


def _turn(link: Link) -> tuple[int, int, str, str, str, str]:
    """Give a link's place in the order of joining."""
    weak = (kind_of(link.a) in WEAK) + (kind_of(link.b) in WEAK)
    phase = 0 if link.alias else 1 + weak
    return phase, link.occurred_at_us, link.event_id, link.source, link.a, link.b


class _Groups:
    """Identities joined so far: a forest whose roots are the strongest, then smallest identities of their trees."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def join(self, link: Link) -> None:
        a, b = self._root(link.a), self._root(link.b)
        # A customer is stronger than all else, so a group that has one has one for its root.
        two_customers = kind_of(a) == kind_of(b) == CUSTOMER
        if a == b or (two_customers and not link.alias):
            return
        kept, gone = sorted((a, b), key=strength)
        self._parent[gone] = kept

    def names(self) -> dict[str, str]:
        """Give each identity its root."""
        return {identity: self._root(identity) for identity in self._parent}

    def _root(self, identity: str) -> str:
        root = self._parent.setdefault(identity, identity)
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[identity] != root:
            self._parent[identity], identity = root, self._parent[identity]
        return root
