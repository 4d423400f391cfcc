"""Take e-mail addresses and phone numbers out of dead letters, which are kept for months."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from services.infra.pseudonyms import HASHED_KINDS

REMOVED: Final = "[removed]"

_LOCAL: Final = rb"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]"
_ADDRESS: Final = re.compile(rb"(?<!%b)%b{1,64}+@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)+" % (_LOCAL, _LOCAL))
"""Begins only where a run of such characters begins: else each of a million of them would be tried."""

_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
"""A JSON text with its quotes; one pass finds them all, however many identities an event names."""


def masked(original: bytes, event: object) -> bytes:
    """Return the bytes as they came, but for what names somebody by e-mail or phone.

    What could be read is masked by its fields. In what could not, only what looks like an e-mail address is found: of
    such a text nobody can say which digits are a phone number.
    """
    if not isinstance(event, dict):
        return _ADDRESS.sub(REMOVED.encode(), original)
    personal = {msgspec.json.encode(said): msgspec.json.encode(instead) for said, instead in _personal(event)}
    if not personal:
        return original
    if not personal.keys() <= set(_TEXT.findall(original)):
        # The client spelled it with other escapes; what is written anew has ours.
        original = msgspec.json.encode(event)
    return _TEXT.sub(lambda text: personal.get(text[0], text[0]), original)


def names_by_contact(subject: str) -> bool:
    """Tell whether a subject holds an e-mail address or a phone number."""
    return subject.partition(":")[0] in HASHED_KINDS or "@" in subject


def _personal(event: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Every text that holds an address or a number, and what stands in its place."""
    data = event.get("data")
    identities = data.get("identities") if isinstance(data, dict) else None
    for identity in identities if isinstance(identities, list) else ():
        if isinstance(identity, dict):
            kind, value = identity.get("kind"), identity.get("value")
            if isinstance(value, str) and names_by_contact(f"{kind}:{value}"):
                yield value, REMOVED
    subject = event.get("subject")
    if isinstance(subject, str) and names_by_contact(subject):
        kind, colon, _ = subject.partition(":")
        yield subject, f"{kind}:{REMOVED}" if colon else REMOVED
