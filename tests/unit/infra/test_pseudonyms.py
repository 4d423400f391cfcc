"""Hashes instead of addresses."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from pydantic import SecretStr

from services.infra.errors import ConfigurationError, InvalidEventError
from services.infra.pseudonyms import hash_key, pseudonym

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
