"""Whose request it is: an address is believed of proxies that the operator named, and of nobody else."""

from __future__ import annotations

import pytest

from services.infra.http.peers import Peers, networks

OURS = Peers(networks("10.0.0.0/8, 2001:db8:1::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9:1234"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["junk, 10.0.0.2"], "10.0.0.2"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("2001:db8:1::5", ["[2001:db8:9::7]:80"], "2001:db8:9::/64"),
        ("2001:db8:9::7", ["203.0.113.9"], "2001:db8:9::/64"),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_proxy_of_ours(
    peer: str, forwarded: list[str], client: str
) -> None:
    assert OURS.client(peer, forwarded) == client


def test_without_named_proxies_nobody_is_believed() -> None:
    assert Peers(networks("")).client("10.0.0.1", ["203.0.113.9"]) == "10.0.0.1"
