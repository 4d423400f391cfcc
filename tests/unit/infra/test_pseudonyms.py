"""Hashes instead of addresses."""

from __future__ import annotations

import hashlib
import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from schemas.touchpoint import IDENTITY_PATTERN
from services.infra.errors import ConfigurationError, InvalidEventError
from services.infra.former_spelling import formerly_spelt
from services.infra.pseudonyms import Stored, hash_key, known_identities, pseudonym, respelt, stored_identity
from services.infra.spelling import Spelt
from tests.support.senders import PATIENT

KEY = b"a secret of a test, long enough for a key"


def test_the_hash_is_the_documented_one() -> None:
    told = hmac.new(KEY, b"email\0ann@example.com", hashlib.sha256).hexdigest()[:32]

    assert pseudonym(KEY, "email", "ann@example.com") == told


@pytest.mark.parametrize("written", [" ANN@Example.com\t", "ann@EXAMPLE.com"])
def test_one_address_has_one_hash_however_it_is_written(written: str) -> None:
    assert pseudonym(KEY, "email", written) == pseudonym(KEY, "email", "ann@example.com")


def test_letters_of_two_forms_are_one_address() -> None:
    assert pseudonym(KEY, "email", "jose\u0301@example.com") == pseudonym(KEY, "email", "jos\u00e9@example.com")


@pytest.mark.parametrize("written", ["+48 600-100-200", "+48(600)100200", " +48600100200", "0048 600 100 200"])
def test_one_number_has_one_hash_however_it_is_written(written: str) -> None:
    assert pseudonym(KEY, "phone", written) == pseudonym(KEY, "phone", "+48600100200")


def test_different_keys_kinds_and_numbers_have_different_hashes() -> None:
    hashes = {
        pseudonym(KEY, "phone", "+48600100200"),
        pseudonym(KEY, "phone", "+48600100201"),
        pseudonym(KEY[::-1], "phone", "+48600100200"),
        pseudonym(KEY, "email", "48600100200@x"),
    }

    assert len(hashes) == 4


@pytest.mark.parametrize(("kind", "value"), [("email", "ann"), ("email", "@"), ("email", "a b@c"), ("phone", "1234")])
def test_what_is_neither_is_refused_without_repeating_it(kind: str, value: str) -> None:
    with pytest.raises(InvalidEventError) as refusal:
        pseudonym(KEY, kind, value)

    assert "1234" not in str(refusal.value)


@pytest.mark.parametrize("secret", [None, SecretStr(""), SecretStr("short")])
def test_a_missing_or_short_key_is_refused_with_the_setting_to_change(secret: SecretStr | None) -> None:
    with pytest.raises(ConfigurationError, match="TACTUS_HASH_KEY"):
        hash_key(secret)


@pytest.mark.parametrize(
    "value", ["auth0: ann@example.com", "ID ann@example.com", "ann@example.com/shop-1", "@ann@social.example"]
)
def test_an_id_with_an_address_in_it_is_kept_under_its_hash(value: str) -> None:
    stored = stored_identity(KEY, "customer", value, region=None)

    assert re.fullmatch("[0-9a-f]{32}", stored.itself.value)
    assert stored.itself.kind == "customer"
    assert not stored.beside
    assert stored != stored_identity(KEY, "customer", f"{value}0", region=None)
    assert stored.itself in known_identities(KEY, "customer", value)
    assert respelt(KEY, f"customer:{value}") == stored


@pytest.mark.parametrize("value", ["@ann", "ann@work", "a@b", "3 @ 4.50"])
def test_an_id_with_a_sign_in_it_stays_as_it_is(value: str) -> None:
    assert stored_identity(KEY, "customer", value, region=None) == Stored(Spelt("customer", value))


VALUES = st.from_regex(re.compile(IDENTITY_PATTERN), fullmatch=True) | st.text(
    alphabet="aA1 @.+-()<>:;=,\u200b\u00e9\u0301\uff0bmailtotel", min_size=1, max_size=24
)
RECORD_KINDS = st.sampled_from(["customer", "loyalty", "email_hash", "phone_hash", "anonymous", "device", "x-crm"])


@PATIENT
@given(RECORD_KINDS, VALUES)
def test_who_is_kept_by_the_present_names_is_kept_by_them_again(kind: str, value: str) -> None:
    first = respelt(KEY, f"{kind}:{value}")
    if first is None:
        return

    for one in (first.itself, *first.beside):
        assert respelt(KEY, ":".join(one)) == Stored(one)


@PATIENT
@given(st.sampled_from(["customer", "loyalty", "anonymous", "device", "x-crm"]), VALUES)
def test_who_was_kept_in_clear_keeps_its_kind_unless_a_card_is_an_address(kind: str, value: str) -> None:
    found = respelt(KEY, f"{kind}:{value}")

    if found is not None and kind in {"customer", "anonymous", "device"}:
        assert found.itself.kind == kind
        assert kind == "customer" or not found.beside


@pytest.mark.parametrize(
    ("kind", "value", "former"),
    [
        ("email", " Jan@Example.com", "jan@example.com"),
        ("email", "mailto:jan@example.com", "mailto:jan@example.com"),
        ("email", "Jan <jan@example.com>", None),
        ("phone", "+48 (0) 600 100 200", "+480600100200"),
        ("phone", "0048600100200", "+48600100200"),
        ("phone", "600 100 200", "600100200"),
        ("phone", "1234", None),
        ("customer", "c-1", None),
    ],
)
def test_what_an_earlier_version_hashed_is_known_for_ever(kind: str, value: str, former: str | None) -> None:
    assert formerly_spelt(kind, value) == former
