"""Which addresses somebody else may send us to."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from services.infra.egress.addresses import may_be_reached

HOSTILE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:53aa:64c::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", HOSTILE)
def test_no_address_leads_inside(address: str) -> None:
    assert not may_be_reached(ip_address(address), allowed=())


@pytest.mark.parametrize("address", ["8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450::1"])
def test_public_addresses_are_reached(address: str) -> None:
    assert may_be_reached(ip_address(address), allowed=())


def test_an_operator_may_allow_a_network_and_allows_no_more() -> None:
    allowed = [ip_network("10.20.0.0/16"), ip_network("::1/128")]

    assert may_be_reached(ip_address("10.20.3.4"), allowed=allowed)
    assert may_be_reached(ip_address("::1"), allowed=allowed)
    assert not may_be_reached(ip_address("10.21.3.4"), allowed=allowed)
    assert not may_be_reached(ip_address("::ffff:10.20.3.4"), allowed=allowed)
