"""Turn e-mail addresses and phone numbers into keyed hashes: the only form in which they are stored."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NamedTuple

from pydantic import SecretStr

from services.core.identity import CUSTOMER, WEAK, refusal
from services.infra.errors import ConfigurationError, InvalidEventError
from services.infra.former_spelling import formerly_spelt
from services.infra.spelling import Spelt, holds_address, spelt

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


class Stored(NamedTuple):
    """Whom a named identity stands for: itself, and who else is named with it."""

    itself: Spelt
    beside: tuple[Spelt, ...] = ()


def stored_identity(key: bytes, kind: str, value: str, *, region: str | None) -> Stored:
    """Return who is kept for whom an event names, however its sender spells them.

    A customer whose id is an address stays a customer, or a shared device would make one person of two; the address is
    named beside. Raises InvalidEventError, with what to mend, for a placeholder, before spelling or after it, and for what
    is no address or number. What is said never repeats the value.
    """
    plain = spelt(kind, value, region=region) if refusal(kind, value) is None else None
    if plain is None or (plain != (kind, value) and refusal(*plain) is not None):
        raise InvalidEventError(
            "names nobody: leave out what is empty or a placeholder, such as null, 0, anonymous or {{user.id}}"
        )
    return _stored(key, kind, plain)


def former_identity(key: bytes, kind: str, value: str, *, region: str | None) -> Spelt | None:
    """Return the hash under which an earlier version kept an address or a number that is accepted today, if another."""
    former = formerly_spelt(kind, value)
    if former is None or former == spelt(kind, value, region=region).value or refusal(kind, former) is not None:
        return None
    return Spelt(HASHED_KINDS[kind], _hash(key, kind, former))


def respelt(key: bytes, identity: str) -> Stored | None:
    """Return who is kept today for somebody who was kept as `identity`, which is kind:value; None for a placeholder.

    Addresses that pages gave their visitors stay visitors: a page that may name nobody must not do so afterwards.
    """
    kind, _, value = identity.partition(":")
    if kind in HASHED_KINDS.values():
        return Stored(Spelt(kind, value))
    try:
        stored = stored_identity(key, kind, value, region=None)
    except InvalidEventError:
        return None
    if kind in WEAK and stored.itself.kind != kind:
        return Stored(Spelt(kind, stored.itself.value))
    return stored


def known_identities(key: bytes, kind: str, value: str) -> tuple[Spelt, ...]:
    """Return under what somebody may be kept, the likeliest first; raises InvalidEventError as `spelt` does.

    Whoever asks for a placeholder is answered: an earlier version may have let it in.
    """
    itself, beside = _stored(key, kind, spelt(kind, value, region=None))
    return itself, *beside


def formerly_known(key: bytes, kind: str, value: str) -> Spelt | None:
    """Return under what an earlier version kept somebody: an address or a number by another hash, others in clear."""
    if kind not in HASHED_KINDS:
        return Spelt(kind, value)
    former = formerly_spelt(kind, value)
    return None if former is None else Spelt(HASHED_KINDS[kind], _hash(key, kind, former))


def erasure_hash(key: bytes, identity: str) -> bytes:
    """Return by what somebody who asked to be forgotten is known again; `identity` is kind:value as it is stored."""
    return hmac.new(key, f"erased\0{identity}".encode(), hashlib.sha256).digest()


def _stored(key: bytes, kind: str, plain: Spelt) -> Stored:
    hashed = HASHED_KINDS.get(plain.kind)
    if hashed is None:
        return Stored(Spelt(kind, _hash(key, *plain)) if holds_address(plain.value) else plain)
    contact = Spelt(hashed, _hash(key, *plain))
    return Stored(Spelt(kind, contact.value), (contact,)) if kind == CUSTOMER else Stored(contact)


def pseudonym(key: bytes, kind: str, value: str) -> str:
    """Return the hash that stands for an `email` or a `phone`; raises InvalidEventError when it is neither."""
    return _hash(key, kind, spelt(kind, value, region=None).value)


def _hash(key: bytes, kind: str, plain: str) -> str:
    return hmac.new(key, f"{kind}\0{plain}".encode(), hashlib.sha256).hexdigest()[:HASH_CHARS]
