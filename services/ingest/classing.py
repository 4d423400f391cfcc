"""What the door knows of who is no customer: the rules of this moment, and in which ranges an address lies."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_network
from typing import Final, NamedTuple

from services.core.classes import NOTHING_SEEN, STAFF, Rules, Seen
from services.infra.classes.agents import reduced
from services.infra.classes.reading import PRIVATE, PRIVATE_NETWORKS, ClassFile
from services.infra.classes.staffed import rules_for
from services.infra.http.peers import Network
from services.infra.sources import Source, Sources
from services.ingest.decode import Incoming
from services.ingest.head import Head

REMEMBERED_MAX: Final = 4096
"""Addresses looked up already, for the next request of the same visitor."""

ADDRESS_CHARS_MAX: Final = 49
"""Of IPv6, with the length of its site."""


class Classes(NamedTuple):
    """The rules, and what they know addresses by."""

    rules: Rules
    ranges_of: Callable[[str, str], tuple[str, ...]]
    """Names the ranges in which an address lies, for a source of this name."""

    def of_page(self, source: Source, head: Head) -> Seen | None:
        """Return what all records of a request keep of where it came from, where a page sent it: whatever it says."""
        return self._seen(source, head.one("user-agent") or "", head.address) if source.kind == "browser" else None

    def of_message(self, source: Source, incoming: Incoming) -> Seen:
        """Return what a record keeps of whom a server speaks of: its own agent and address say nothing of them."""
        if source.kind != "browser" and (incoming.agent or incoming.address):
            return self._seen(source, incoming.agent, incoming.address)
        return NOTHING_SEEN

    def _seen(self, source: Source, agent: str, address: str) -> Seen:
        known = 0 < len(address) <= ADDRESS_CHARS_MAX
        return Seen(reduced(agent) if agent else "", self.ranges_of(source.name, address) if known else ())


class Classing:
    """Follows the file of rules and the sources."""

    def __init__(self, file: Callable[[], ClassFile], sources: Callable[[], Sources], *, hash_key: bytes) -> None:
        self._file = file
        self._sources = sources
        self._hash_key = hash_key
        self._of = (file(), sources())
        self._current = self._made()

    @property
    def current(self) -> Classes:
        """What holds at this moment."""
        file, sources = self._file(), self._sources()
        if self._of[0] is not file or self._of[1] is not sources:
            self._of = (file, sources)
            self._current = self._made()
        return self._current

    def _made(self) -> Classes:
        file, sources = self._of
        everybodys = [*file.ranges.items(), (PRIVATE, PRIVATE_NETWORKS)]
        staffs = {one.name: one.staff.ranges for one in sources.with_staff if one.staff is not None}

        @lru_cache(maxsize=REMEMBERED_MAX)
        def ranges_of(source: str, address: str) -> tuple[str, ...]:
            try:
                # Of IPv6 a whole site counts as one address.
                site = ip_network(address)
            except ValueError:
                return ()
            names = [name for name, networks in everybodys if any(_inside(site, one) for one in networks)]
            staff = [STAFF] if any(_inside(site, one) for one in staffs.get(source, ())) else []
            return (*names, *staff)

        return Classes(rules_for(file, sources, hash_key=self._hash_key), ranges_of)


def _inside(site: Network, network: Network) -> bool:
    return (
        site.version == network.version
        and int(network.network_address) <= int(site.network_address)
        and int(site.broadcast_address) <= int(network.broadcast_address)
    )
