"""Find the addresses of a host, once, and say whether we may go there."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from services.infra.egress.addresses import Address, Network, address_of, may_be_reached

ADDRESSES_MAX: Final = 16
"""Of one name; more are no better."""

RESOLVE_S: Final = 5.0
"""A resolver that is well answers within a tenth of a second."""


class Unresolved(NamedTuple):
    """There is no address to go to, or none that we may go to."""

    blocked: bool
    """Whether there is one, and it is not public."""
    because: str


class Resolver(Protocol):
    """Finds addresses of names."""

    async def addresses(self, host: str) -> Sequence[str]:
        """Every address of a host; raises OSError when it has none."""


class SystemResolver:
    """The machine's own resolver."""

    async def addresses(self, host: str) -> Sequence[str]:
        """Ask in a thread of its own: servers of names that never answer would fill a pool that all share."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()

        def told(found: list[str] | OSError) -> None:
            if answer.done():
                return
            if isinstance(found, OSError):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def ask() -> None:
            found: list[str] | OSError
            try:
                entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                found = [str(entry[4][0]) for entry in entries]
            except OSError as error:
                found = error
            except UnicodeError:
                found = OSError("no name of the DNS")
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(told, found)

        threading.Thread(target=ask, name="resolve", daemon=True).start()
        return await answer


async def ways_to(host: str, resolver: Resolver, *, allowed: Sequence[Network]) -> Sequence[Address] | Unresolved:
    """Find where a host is. One address that we may not go to bars them all: the next answer could hold it alone."""
    try:
        async with asyncio.timeout(RESOLVE_S):
            written = [host] if address_of(host) else await resolver.addresses(host)
    except TimeoutError:
        return Unresolved(blocked=False, because="the name's servers do not answer")
    except OSError:
        return Unresolved(blocked=False, because="the name has no address")
    found = list(dict.fromkeys(map(address_of, written)))[:ADDRESSES_MAX]
    ways = [one for one in found if one is not None and may_be_reached(one, allowed=allowed)]
    if not found or len(ways) < len(found):
        return Unresolved(blocked=True, because="an address of the host is not public")
    return ways
