"""One spelling: the laws that every spelling keeps."""

from __future__ import annotations

import re
import unicodedata

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.touchpoint import IDENTITY_PATTERN
from services.infra.errors import InvalidEventError
from services.infra.spelling import Spelt, is_region, spelt
from tests.support.senders import PATIENT

VALUES = st.from_regex(re.compile(IDENTITY_PATTERN), fullmatch=True) | st.text(
    alphabet="aA1 @.+-()<>:;=,\u200b\u00e9\u0301\uff0bmailtotel", max_size=24
)
KINDS = st.sampled_from(["customer", "loyalty", "email", "phone", "anonymous", "x-crm"])
LOCALS = st.from_regex(re.compile(r"[a-zA-Z0-9_+.-]{1,20}"), fullmatch=True)
NATIONAL = st.integers(600_000_000, 699_999_999)


@PATIENT
@given(KINDS, VALUES, st.sampled_from([None, "PL", "US"]))
def test_spelling_what_is_spelt_changes_nothing(kind: str, value: str, region: str | None) -> None:
    try:
        once = spelt(kind, value, region=region)
    except InvalidEventError:
        return

    assert spelt(*once, region=region) == once


@PATIENT
@given(NATIONAL, st.sampled_from([" ", "-", ".", ""]), st.sampled_from(["+48", "0048", "tel:+48", "WhatsApp:+48", ""]))
def test_spellings_of_one_number_are_equal(national: int, gap: str, before: str) -> None:
    digits = str(national)
    written = f"{before}{gap}{digits[:3]}{gap}{digits[3:6]}{gap}{digits[6:]}"

    assert spelt("phone", written, region="PL") == Spelt("phone", f"+48{national}")


@PATIENT
@given(LOCALS, st.sampled_from(["example.com", "Example.COM", "mail.example.org"]))
def test_an_address_keeps_its_person_in_any_case_and_with_marks_around_it(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    try:
        plain = spelt("email", address, region=None)
    except InvalidEventError:
        return

    for written in (address.upper(), f" {address}\u200b", f"mailto:{address}", unicodedata.normalize("NFD", address)):
        assert spelt("email", written, region=None) == plain


def test_a_domain_of_another_alphabet_is_one_domain_in_both_its_forms() -> None:
    assert spelt("email", "a@ex\u00e4mple.com", region=None) == spelt("email", "a@xn--exmple-cua.com", region=None)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("A..B.@DOCOMO.ne.jp", "a..b.@docomo.ne.jp"),
        (".ann@ex\u00e4mple.com", ".ann@ex\u00e4mple.com"),
        ("ann@example.com;", "ann@example.com"),
        ("ann@example.com , ", "ann@example.com"),
    ],
)
def test_an_address_that_breaks_the_book_names_its_owner(written: str, plain: str) -> None:
    assert spelt("email", written, region=None) == Spelt("email", plain)


@pytest.mark.parametrize("address", ["a..b@localhost", "a..b@", "a..b@-x.com", "a..b c@example.com", ".@."])
def test_what_breaks_it_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(InvalidEventError):
        spelt("email", address, region=None)


@pytest.mark.parametrize(
    "card", ["17850", "600100200", "48600100200", "0048600100200", "+1", "12-34-56", "a@b", "@ann"]
)
def test_an_id_of_digits_is_no_phone_number(card: str) -> None:
    assert spelt("loyalty", card, region="PL") == Spelt("loyalty", card)


def test_a_region_is_one_that_numbers_can_be_written_in() -> None:
    assert is_region("PL")
    assert not any(map(is_region, ("pl", "Poland", "XX", "")))
    assert len(phonenumbers.SUPPORTED_REGIONS) > 200
