"""URLs that others write: what two programs could read in two ways is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.infra.egress.urls import NotAllowed, Target, target_of

HOSTILE = {
    "nothing": "",
    "no scheme": "//shop.example/hook",
    "no host": "https:///hook",
    "unencrypted": "http://shop.example/hook",
    "ftp": "ftp://shop.example/hook",
    "file": "file:///etc/passwd",
    "gopher": "gopher://shop.example:6379/_FLUSHALL",
    "data": "data:text/plain,hello",
    "a scheme in capitals": "HTTPS://shop.example/",
    "one slash": "https:/shop.example/",
    "backslashes": "https:\\\\shop.example\\hook",
    "a backslash before the name": "https://shop.example\\@127.0.0.1/",
    "a user": "https://a@shop.example/",
    "a user and a password": "https://a:b@127.0.0.1/",
    "a name as the user": "https://shop.example@127.0.0.1/",
    "a name as user and port": "https://shop.example:443@127.0.0.1/",
    "a fragment": "https://shop.example/#@127.0.0.1/",
    "a fragment before the path": "https://shop.example#.evil.example/",
    "a blank": "https://shop.example /hook",
    "a blank in front": " https://shop.example/hook",
    "a line's end": "https://shop.example/hook\n",
    "a header": "https://shop.example/hook HTTP/1.1\r\nHost: inside",
    "a tab in the name": "https://shop\t.example/",
    "a zero byte": "https://shop.example/\x00",
    "a mail server's port": "https://shop.example:25/",
    "a shell's port": "https://shop.example:22/",
    "http's port": "https://shop.example:80/",
    "port nought": "https://shop.example:0/",
    "a port too large": "https://shop.example:65536/",
    "a port of letters": "https://shop.example:https/",
    "an empty port": "https://shop.example:/",
    "a port with a nought in front": "https://shop.example:00443/",
    "a short address": "https://127.1/",
    "a decimal address": "https://2130706433/",
    "a hexadecimal address": "https://0x7f000001/",
    "a hexadecimal address with dots": "https://0x7f.0.0.1/",
    "an address with a hexadecimal end": "https://127.0.0.0x1/",
    "an octal address": "https://017700000001/",
    "an octal address with dots": "https://0177.0.0.1/",
    "nought": "https://0/",
    "an address too large": "https://256.256.256.256/",
    "five numbers": "https://1.2.3.4.5/",
    "numbers in circles": "https://\u246027.0.0.1/",
    "letters in circles": "https://\u24dbocalhost/",
    "full width dots": "https://127\uff0e0\uff0e0\uff0e1/",
    "an ideographic dot": "https://shop\u3002example/",
    "a name that is not ASCII": "https://b\u00fccher.example/",
    "a soft hyphen": "https://local\u00adhost/",
    "a percent-encoded name": "https://%6c%6f%63%61%6c%68%6f%73%74/",
    "a percent-encoded slash in the name": "https://shop.example%2f@127.0.0.1/",
    "a dot at the end": "https://localhost./",
    "a dot in front": "https://.shop.example/",
    "two dots": "https://shop..example/",
    "a hyphen in front": "https://-shop.example/",
    "a label too long": f"https://{'a' * 64}.example/",
    "a name too long": f"https://{'a.' * 127}example/",
    "an address with a zone": "https://[fe80::1%25eth0]/",
    "no address in brackets": "https://[shop.example]/",
    "empty brackets": "https://[]/",
    "brackets that are not closed": "https://[::1/",
    "too long": "https://shop.example/" + "a" * 2048,
    "a path that is not encoded": "https://shop.example/b\u00fccher",
}

TAKEN = {
    "https://shop.example": Target("https", "shop.example", 443, "/"),
    "https://shop.example/": Target("https", "shop.example", 443, "/"),
    "https://Shop.Example:8443/hook?key=a%20b": Target("https", "shop.example", 8443, "/hook?key=a%20b"),
    "https://xn--bcher-kva.example/hook": Target("https", "xn--bcher-kva.example", 443, "/hook"),
    "https://8.8.8.8/": Target("https", "8.8.8.8", 443, "/"),
    "https://[2606:4700::1111]:4443/x": Target("https", "2606:4700::1111", 4443, "/x"),
    "https://shop.example?x=1": Target("https", "shop.example", 443, "/?x=1"),
}


@pytest.mark.parametrize("url", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_url_is_refused(url: str) -> None:
    assert isinstance(target_of(url, http=False), NotAllowed)


@pytest.mark.parametrize(("url", "target"), TAKEN.items())
def test_a_plain_url_is_taken(url: str, target: Target) -> None:
    assert target_of(url, http=False) == target


def test_unencrypted_goes_where_that_is_allowed() -> None:
    assert target_of("http://shop.example/x", http=True) == Target("http", "shop.example", 80, "/x")


def test_the_host_header_names_the_port_where_it_is_not_the_usual_one() -> None:
    assert Target("https", "shop.example", 443, "/").authority == "shop.example"
    assert Target("https", "2606::1", 8443, "/").authority == "[2606::1]:8443"


@given(st.text(max_size=60))
def test_whatever_stands_there_is_refused_or_goes_to_the_host_it_names(rest: str) -> None:
    found = target_of("https://" + rest, http=False)

    if isinstance(found, Target):
        assert rest.lower().lstrip("[").startswith(found.host)
        assert found.path.isascii()
        assert found.path.isprintable()
