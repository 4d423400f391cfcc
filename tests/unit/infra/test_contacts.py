"""What looks like an e-mail address is found wherever it stands, in time that grows as the text does."""

from __future__ import annotations

import pytest

from services.infra.contacts import without_addresses
from tests.support.growth import LINEAR_MAX, growth


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("write to ann@mail.example, or", "write to [removed], or"),
        ("<ann.o'neil+x/y=z@mail.example>", "<[removed]>"),
        ("mailto:ann@mail.example?subject=x", "mailto:[removed]?subject=x"),
        ("?to=ann%40mail.example&x=1", "[removed]&x=1"),
        ("zażółć@przykład.pl", "[removed]"),
        ("ann\uff20mail.example", "[removed]"),
        ("ann&#64;mail.example", "[removed]"),
        ("ann@localhost", "[removed]"),
        ("a@b@c", "[removed]"),
        ("ann@[10.0.0.1]", "[removed]"),
        (r'"name":"\"ann smith\"@mail.example"', '"name":"[removed]"'),
        ("x" * 300 + "@mail.example", "[removed]"),
    ],
    ids=repr,
)
def test_an_address_goes_and_what_stands_around_it_stays(text: str, left: str) -> None:
    assert without_addresses(text.encode()).decode() == left


@pytest.mark.parametrize("text", ["", "@", "ann@", '{"@type":"Order"}', "ann @ home", "a@ @b", '"@"', r"\"@"])
def test_an_at_sign_between_no_two_words_is_no_address(text: str) -> None:
    assert without_addresses(text.encode()).decode() == text


HOSTILE = {
    "one letter": b"x",
    "signs": b"@",
    "letters and signs": b"x@",
    "no domain": b"xxxx@ ",
    "no local part": b" @xxx",
    "quotes": b'\\"@',
    "quoted": b'\\"x\\"@ ',
    "addresses": b"x@y ",
    "encoded": b"%40",
    "escapes": b"\\\\",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_work_grows_as_the_text_does(name: str) -> None:
    assert growth(without_addresses, HOSTILE[name]) < LINEAR_MAX
