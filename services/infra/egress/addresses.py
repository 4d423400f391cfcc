"""Which addresses of the network somebody else may send us to: public ones, and those that the operator allows."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # behind a carrier's NAT
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local; where clouds tell a machine its secrets
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocols
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
            "2001::/23",  # protocols, among them Teredo, which leads on to an IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which leads on to an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)

_PUBLIC_IPV6: Final = ip_network("2000::/3")
"""All that is given out. Outside of it are loopback, link-local, private, multicast, IPv4-mapped and NAT64 addresses."""


def address_of(text: str) -> Address | None:
    """Read an address as resolvers write it; None for anything else."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def may_be_reached(address: Address, *, allowed: Iterable[Network]) -> bool:
    """Tell whether an address is public, or within a network that is allowed beside."""
    if any(address in network for network in allowed):
        return True
    if address.version == 6 and address not in _PUBLIC_IPV6:  # noqa: PLR2004 - the version of IP
        return False
    return not any(address in network for network in _NOT_PUBLIC)
