"""Take e-mail addresses and phone numbers out of dead letters, which are kept for months."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from services.infra.contacts import REMOVED, without_addresses
from services.infra.pseudonyms import HASHED_KINDS

NUMBER_DIGITS_MIN: Final = 7
"""The shortest numbers that reach somebody without an area code have seven digits; fewer are prices, years, ids."""

_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
"""A JSON text with its quotes; one pass finds them all, however many identities an event names."""

_ESCAPE: Final = re.compile(rb"(?<!\\)((?:\\\\)*+)\\u([0-9a-fA-F]{4})")
"""An escaped character; an even number of backslashes before it are characters themselves."""

_DIGIT: Final = rb"(?:[0-9]|\xef\xbc[\x90-\x99]|\xd9[\xa0-\xa9]|\xdb[\xb0-\xb9]|\xe0\xa5[\xa6-\xaf])"
"""Also full-width, Arabic, Persian and Devanagari ones."""

_BETWEEN: Final = rb"(?:[ ()./\t-]|\\[/tnr]|\xc2\xa0|\xe2\x80[\x80-\xaf]){0,4}+"
"""What people write between digits, in JSON: blanks, dashes, brackets, dots, slashes, and characters nobody sees."""

_KEPT: Final = (
    rb"(?<![0-9A-Za-z])(?:"
    rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"  # a UUID
    rb"|(?=[0-9]{0,31}[a-f])[0-9a-f]{32}"  # a hash, a trace id
    rb"|(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"  # a date, and perhaps its time
    rb"(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
    rb")(?![0-9A-Za-z])"
)
"""What is made of digits and calls nobody; the whole of it, so that no number can hide in one."""

_NUMBER: Final = re.compile(
    rb"(?P<kept>%b)|[-+(]{0,3}+%b(?:%b%b){%d,}+" % (_KEPT, _DIGIT, _BETWEEN, _DIGIT, NUMBER_DIGITS_MIN - 1)
)


_FRACTION: Final = re.compile(rb"-?[0-9]++\.[0-9]++")


def masked(original: bytes, event: object) -> bytes:
    """Return the bytes as they came, but for what looks like an e-mail address or a phone number.

    It goes wherever it stands: under any name, at any depth, beside an equal name that the parser drops, in a text
    that nobody can read. What an identity or the subject calls an email or a phone goes whatever it looks like.
    Escapes of JSON are spelled out, since nobody can hide behind them then.
    """
    text = _spelled_out(original)
    if isinstance(event, dict):
        text = _without_named(text, event)
    return _without_numbers(without_addresses(text))


def names_by_contact(subject: str) -> bool:
    """Tell whether a subject holds an e-mail address or a phone number."""
    if subject.partition(":")[0] in HASHED_KINDS:
        return True
    return holds_contact(subject)


def holds_contact(text: str) -> bool:
    """Tell whether a text holds what looks like an e-mail address or a phone number."""
    plain = text.encode("utf-8", "surrogatepass")
    return masked(plain, None) != plain


def _spelled_out(text: bytes) -> bytes:
    return _ESCAPE.sub(_character, text) if b"\\u" in text else text


def _character(escape: re.Match[bytes]) -> bytes:
    character = chr(int(escape[2], 16))
    if character < " " or character in '"\\\x7f' or "\ud800" <= character <= "\udfff":
        return escape[0]  # it could not stand here as itself
    return escape[1] + character.encode()


def _without_named(text: bytes, event: dict[str, object]) -> bytes:
    personal = {msgspec.json.encode(said): msgspec.json.encode(instead) for said, instead in _personal(event)}
    if not personal:
        return text
    if not personal.keys() <= set(_TEXT.findall(text)):
        # The client spelled it with other escapes; what is written anew has ours.
        text = msgspec.json.encode(event)
    return _TEXT.sub(lambda found: personal.get(found[0], found[0]), text)


def _personal(event: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Every text that is called an email or a phone, and what stands in its place."""
    data = event.get("data")
    identities = data.get("identities") if isinstance(data, dict) else None
    for identity in identities if isinstance(identities, list) else ():
        if isinstance(identity, dict):
            kind, value = identity.get("kind"), identity.get("value")
            if isinstance(value, str) and isinstance(kind, str) and kind in HASHED_KINDS:
                yield value, REMOVED.decode()
    subject = event.get("subject")
    if isinstance(subject, str) and subject.partition(":")[0] in HASHED_KINDS:
        yield subject, f"{subject.partition(':')[0]}:{REMOVED.decode()}"


def _without_numbers(text: bytes) -> bytes:
    # Outside of quotes a number is one of JSON: in its place a text must stand, and a fraction is nobody's number.
    plain = text.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    kept: list[bytes] = []
    done = 0
    quoted = False
    for number in _NUMBER.finditer(text):
        quoted ^= plain.count(b'"', done, number.start()) % 2 == 1
        kept.append(text[done : number.start()])
        done = number.end()
        if number["kept"] is not None or (not quoted and _FRACTION.fullmatch(number[0])):
            kept.append(number[0])
        else:
            kept.append(REMOVED if quoted else b'"%b"' % REMOVED)
    kept.append(text[done:])
    return b"".join(kept)
