"""Turn e-mail addresses and phone numbers into keyed hashes: the only form in which they are stored."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from pydantic import SecretStr

from services.core.identity import refusal
from services.infra.errors import ConfigurationError, InvalidEventError
from services.infra.spelling import Spelt, spelt

HASHED_KINDS: Final = {"email": "email_hash", "phone": "phone_hash"}
"""What a client sends, and the kind that is stored."""

HASH_CHARS: Final = 32
"""128 bits: no two of a billion addresses meet by chance."""

HASH_KEY_CHARS_MIN: Final = 32
"""A shorter secret could be guessed, and with it every address."""


def hash_key(secret: SecretStr | None) -> bytes:
    """Return the key's bytes; raises ConfigurationError when it is missing or too short."""
    words = secret.get_secret_value() if secret is not None else ""
    if len(words) < HASH_KEY_CHARS_MIN:
        raise ConfigurationError(
            f"set TACTUS_HASH_KEY to a secret of at least {HASH_KEY_CHARS_MIN} characters, the same for every process "
            "and for ever: without it nobody can be found again by e-mail or phone"
        )
    return words.encode()


def stored_identity(key: bytes, kind: str, value: str, *, region: str | None) -> tuple[str, str]:
    """Return the kind and the value that stand for whom an event names, however its sender spells them.

    Raises InvalidEventError, with what to mend, for a placeholder, before spelling or after it, and for what is no address
    or number. What is said never repeats the value.
    """
    plain = spelt(kind, value, region=region) if refusal(kind, value) is None else None
    if plain is None or (plain != (kind, value) and refusal(*plain) is not None):
        raise InvalidEventError(
            "names nobody: leave out what is empty or a placeholder, such as null, 0, anonymous or {{user.id}}"
        )
    return _kept(key, plain)


def known_identity(key: bytes, kind: str, value: str) -> tuple[str, str]:
    """Return the kind and the value under which somebody may be stored; raises InvalidEventError as `spelt` does.

    Whoever asks for a placeholder is answered: an earlier version may have let it in.
    """
    return _kept(key, spelt(kind, value, region=None))


def _kept(key: bytes, plain: Spelt) -> tuple[str, str]:
    hashed = HASHED_KINDS.get(plain.kind)
    return plain if hashed is None else (hashed, _hash(key, *plain))


def pseudonym(key: bytes, kind: str, value: str) -> str:
    """Return the hash that stands for an `email` or a `phone`; raises InvalidEventError when it is neither."""
    return _hash(key, kind, spelt(kind, value, region=None).value)


def _hash(key: bytes, kind: str, plain: str) -> str:
    return hmac.new(key, f"{kind}\0{plain}".encode(), hashlib.sha256).hexdigest()[:HASH_CHARS]
