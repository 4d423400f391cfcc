"""One spelling for everybody: however a sender writes an e-mail address, a phone number or an id, it names one person."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from services.infra.errors import InvalidEventError

EMAIL: Final = "email"
PHONE: Final = "phone"

REMEMBERED_MAX: Final = 4096
"""Spellings that needed a library, kept for the next event of the same person: a minute of a busy sender's."""

UNSEEN: Final = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""What nobody sees and no script needs. The joiners U+200C and U+200D change how some scripts read, inside a word."""

_JOINERS: Final = "\u200c\u200d"
_PLAIN_EMAIL: Final = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}")
"""An address that is spelt in the one way already: most are, and the library takes fifty times as long."""
_ASCII_HYPHENS: Final = re.compile(r"(?:@|\.)..--")
"""A label with hyphens at its third and fourth place is of another alphabet: the library spells it out."""
_LOOSE_DOTS: Final = re.compile(r"[a-z0-9_+.!#$%&'*/=?^`{|}~-]+")
"""What may stand before the @ if nobody counts the dots: Japanese mobile providers gave out `a..b` and `a.` for years."""
_LOOKS_LIKE_EMAIL: Final = re.compile(r"(?:mailto:)?[^@\s]+@[^@\s]+\.[^@\s.]+", re.IGNORECASE)
_HOLDS_ADDRESS: Final = re.compile(r"[^@\s]@[^@\s.]+(?:\.[^@\s.]+)*\.[^@\s.]{2,}")
_LOOKS_LIKE_PHONE: Final = re.compile(r"(?:tel:|whatsapp:)?\+[0-9][0-9 ().-]{6,20}[0-9]", re.IGNORECASE)
_SCHEME: Final = re.compile(r"(?:tel|sms|smsto|callto|whatsapp|signal|viber):(?://)?", re.IGNORECASE)
_TRUNK_ZERO: Final = re.compile(r"\(0\)")
_LOCAL_BYTES_MAX: Final = 256


class Spelt(NamedTuple):
    """Who somebody is, in the one spelling: an id that is an e-mail address or a phone number is one."""

    kind: str
    value: str


def spelt(kind: str, value: str, *, region: str | None) -> Spelt:
    """Return the one spelling; `region` (such as PL) is where numbers without a country code are dialled.

    Spelling what is spelt changes nothing. Raises InvalidEventError, with what to mend, for what is no address or number.
    """
    if kind == EMAIL:
        return Spelt(EMAIL, _email(value))
    if kind == PHONE:
        return Spelt(PHONE, _phone(value, region))
    plain = tidy(value) or value
    return _contact(plain) or Spelt(kind, plain)


def _contact(plain: str) -> Spelt | None:
    """The address or number that an id is; None where it only looks like one."""
    try:
        if "@" in plain and _LOOKS_LIKE_EMAIL.fullmatch(plain):
            return Spelt(EMAIL, _email(plain))
        if "+" in plain and _LOOKS_LIKE_PHONE.fullmatch(plain):
            return Spelt(PHONE, _phone(plain, None))
    except InvalidEventError:
        pass
    return None


def tidy(value: str) -> str:
    """Return a text without what nobody sees, in Unicode's composed form; its case and letters stay."""
    if value.isascii():
        return value.strip()
    return unicodedata.normalize("NFC", UNSEEN.sub("", value)).strip().strip(_JOINERS)


def holds_address(value: str) -> bool:
    """Tell whether an id that is no e-mail address has one in it, such as auth0|ann@example.com."""
    return "@" in value and _HOLDS_ADDRESS.search(value) is not None


def is_region(region: str) -> bool:
    """Tell whether this is a region with a way of writing phone numbers, such as PL."""
    return region in phonenumbers.SUPPORTED_REGIONS


def calling_code(region: str) -> int:
    """Return what is dialled before numbers of a region: 48 of PL; several regions may share one."""
    return phonenumbers.country_code_for_region(region)


def _email(value: str) -> str:
    plain = tidy(value).casefold()
    if _PLAIN_EMAIL.fullmatch(plain) and len(plain) < _LOCAL_BYTES_MAX and not _ASCII_HYPHENS.search(plain):
        return plain
    return _email_by_the_book(plain)


@lru_cache(maxsize=REMEMBERED_MAX)
def _email_by_the_book(value: str) -> str:
    address = value.removeprefix("mailto:").partition("?")[0] if value.startswith("mailto:") else value
    address = address.rstrip(",; ")
    local, _, domain = address.rpartition("@")
    if ("." in {local[:1], local[-1:]} or ".." in local) and _LOOSE_DOTS.fullmatch(local):
        return f"{local}@{_email_by_the_book(f'x@{domain}').partition('@')[2]}"
    try:
        # What a domain's server says is nobody's business here: an address that does not work still names a person.
        parts = validate_email(
            address,
            check_deliverability=False,
            globally_deliverable=False,
            allow_quoted_local=True,
            allow_display_name=True,
        )
    except EmailNotValidError as error:
        raise InvalidEventError("must be an e-mail address, such as name@example.com") from error
    return unicodedata.normalize("NFC", parts.normalized.casefold())


def _phone(value: str, region: str | None) -> str:
    return _phone_by_the_book(unicodedata.normalize("NFKC", tidy(value)), region)


@lru_cache(maxsize=REMEMBERED_MAX)
def _phone_by_the_book(value: str, region: str | None) -> str:
    dialled = _SCHEME.sub("", value, count=1).strip()
    if dialled.startswith("00"):
        # 00 is what most of the world dials for the +.
        dialled = f"+{dialled[2:]}"
    if dialled.startswith("+"):
        # The zero in brackets is dialled inside the country only.
        dialled = _TRUNK_ZERO.sub("", dialled)
    try:
        number = phonenumbers.parse(dialled, region)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE and region is None:
            raise InvalidEventError(
                "must be a phone number with its country code, such as +48600100200; a source may name the region that its "
                "numbers are of"
            ) from error
        raise InvalidEventError("must be a phone number, such as +48600100200") from error
    if number.extension:
        raise InvalidEventError("is an extension of a switchboard, which many people share: leave it out")
    if not phonenumbers.is_possible_number(number) or len(set(str(number.national_number))) == 1:
        raise InvalidEventError("is no number that can be dialled: send it with its country code, or leave it out")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
