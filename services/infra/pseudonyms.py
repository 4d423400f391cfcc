"""Turn e-mail addresses and phone numbers into keyed hashes: the only form in which they are stored."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from typing import Final

from pydantic import SecretStr

from services.infra.errors import ConfigurationError, InvalidEventError

HASHED_KINDS: Final = {"email": "email_hash", "phone": "phone_hash"}
"""What a client sends, and the kind that is stored."""

HASH_CHARS: Final = 32
"""128 bits: no two of a billion addresses meet by chance."""

HASH_KEY_CHARS_MIN: Final = 32
"""A shorter secret could be guessed, and with it every address."""

PHONE_DIGITS_MIN: Final = 5
"""The shortest subscriber numbers in use have five digits; fewer is a slip of the pen."""

_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+")
_NOT_DIGIT: Final = re.compile(r"[^0-9]")


def hash_key(secret: SecretStr | None) -> bytes:
    """Return the key's bytes; raises ConfigurationError when it is missing or too short."""
    words = secret.get_secret_value() if secret is not None else ""
    if len(words) < HASH_KEY_CHARS_MIN:
        raise ConfigurationError(
            f"set TACTUS_HASH_KEY to a secret of at least {HASH_KEY_CHARS_MIN} characters, the same for every process "
            "and for ever: without it nobody can be found again by e-mail or phone"
        )
    return words.encode()


def pseudonym(key: bytes, kind: str, value: str) -> str:
    """Return the hash that stands for an `email` or a `phone`; raises InvalidEventError when it is neither."""
    plain = _email(value) if kind == "email" else _phone(value)
    message = f"{kind}\0{plain}".encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:HASH_CHARS]


def _email(value: str) -> str:
    address = unicodedata.normalize("NFC", value).strip().casefold()
    if not _ADDRESS.fullmatch(address):
        raise InvalidEventError("must be an e-mail address, such as name@example.com")
    return address


def _phone(value: str) -> str:
    digits = _NOT_DIGIT.sub("", value)
    if len(digits) < PHONE_DIGITS_MIN:
        raise InvalidEventError(
            f"must be a phone number of at least {PHONE_DIGITS_MIN} digits, best with its country code"
        )
    if value.lstrip().startswith("+"):
        return f"+{digits}"
    # 00 is what most of the world dials for the +.
    return f"+{digits[2:]}" if digits.startswith("00") else digits
