"""Tell whose request it is by its address, believing only proxies that the operator named."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

HOPS_MAX: Final = 16
"""Proxies in a row that are believed; nobody has more than three or four."""

SITE_BITS: Final = 64
"""One IPv6 customer has at least so many bits to choose an address from, so all of them count as one."""


def networks(text: str) -> tuple[Network, ...]:
    """Read networks, comma-separated; raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def address_range(text: str) -> Network:
    """Read a range of addresses that a client's may lie in; raises ValueError that says what it must be."""
    try:
        found = ip_network(text)
    except ValueError as error:
        raise ValueError("must be a range such as 203.0.113.0/24 or 2001:db8::/48, whose last bits are 0") from error
    if isinstance(found, IPv6Network) and found.prefixlen > SITE_BITS:
        raise ValueError(f"must be a /{SITE_BITS} or larger: one customer chooses from so many addresses")
    return found


class Peers:
    """Knows which addresses are proxies of the operator's own."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)
        self._read = lru_cache(maxsize=4096)(self._look)

    def client(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Return the address of the client: the first from the right that is no proxy of ours.

        What stands left of it was written by the client itself, or by somebody we do not know.
        """
        address, is_ours = self._read(peer)
        if not is_ours:
            return address
        for hop in reversed(",".join(forwarded_for).split(",")[-HOPS_MAX:]):
            named, is_ours = self._read(hop.strip())
            if not named:
                break
            address = named
            if not is_ours:
                break
        return address

    def _look(self, text: str) -> tuple[str, bool]:
        try:
            address = ip_address(_without_port(text))
        except ValueError:
            return "", False
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        return _site(address), any(address in network for network in self._trusted)


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _site(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, SITE_BITS), strict=False))
