"""Understand what a request asks for; what cannot be understood is refused with a problem of the one table."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes
from uuid import UUID

from schemas.instant import parse_instant
from schemas.readapi import CURSOR_PATTERN, PAGE_DEFAULT, PAGE_MAX
from schemas.touchpoint import IDENTITY_PATTERN, KIND_PATTERN, RECORD_KIND_PATTERN
from services.infra.errors import InvalidEventError, TactusError
from services.infra.pseudonyms import HASHED_KINDS, pseudonym
from services.state.events import END, Place

PARAMETERS_MAX: Final = 16
"""No operation names more than three."""

_KIND: Final = re.compile(f"{KIND_PATTERN}|{RECORD_KIND_PATTERN}")
_VALUE: Final = re.compile(IDENTITY_PATTERN)
_CURSOR: Final = re.compile(CURSOR_PATTERN)
_LIMIT: Final = re.compile(r"[0-9]{1,3}")
_PLACE: Final = struct.Struct(">q16s")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_JSON: Final = frozenset({"*/*", "application/*", "application/json"})
_MALFORMED_IDENTITY: Final = "the path must hold kind:value, the value percent-encoded UTF-8 of printable characters"


class RefusedError(TactusError):
    """The request gets a problem instead of an answer; the text says what is wrong, without repeating it."""

    def __init__(self, slug: str, detail: str = "") -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail


def identity_of_path(segment: str, *, hash_key: bytes) -> str:
    """Return `kind:value` as it is stored; e-mail and phone become their hashes."""
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as error:
        raise RefusedError("invalid-identity", _MALFORMED_IDENTITY) from error
    kind, colon, value = text.partition(":")
    if not colon or not _KIND.fullmatch(kind) or not _VALUE.fullmatch(value):
        raise RefusedError("invalid-identity", _MALFORMED_IDENTITY)
    if kind not in HASHED_KINDS:
        return f"{kind}:{value}"
    try:
        return f"{HASHED_KINDS[kind]}:{pseudonym(hash_key, kind, value)}"
    except InvalidEventError as error:
        raise RefusedError("invalid-identity", f"the {kind} {error}") from error


def parameters_of(query: bytes, *, named: Collection[str]) -> Mapping[str, str]:
    """Return the query parameters; each must be named by the operation and stand at most once."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        raise RefusedError("bad-parameter", "the query is not percent-encoded UTF-8, or is too long") from error
    values = dict(pairs)
    if len(values) < len(pairs):
        raise RefusedError("bad-parameter", "a parameter stands twice")
    if not values.keys() <= set(named):
        allowed = ", ".join(named) or "none"
        raise RefusedError("bad-parameter", f"a parameter is not known here; known: {allowed}")
    return values


def moment_of(text: str | None, *, now: datetime) -> datetime:
    """Return the asked moment in UTC."""
    if text is None:
        return now
    try:
        # A plus that was not percent-encoded arrives as a space; nothing else can be meant by one.
        return parse_instant(text.replace(" ", "+"))
    except ValueError as error:
        raise RefusedError("bad-parameter", f"at {error}") from error


def limit_of(text: str | None) -> int:
    """Return the asked size of a page."""
    if text is None:
        return PAGE_DEFAULT
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= PAGE_MAX:
        raise RefusedError("bad-parameter", f"limit must be a whole number from 1 to {PAGE_MAX}")
    return int(text)


def place_of(cursor: str | None) -> Place:
    """Return the place in a journey that a cursor stands for."""
    if cursor is None:
        return END
    if not _CURSOR.fullmatch(cursor):
        raise RefusedError("bad-parameter", "cursor must be `next` of the page before")
    microseconds, key = _PLACE.unpack(base64.urlsafe_b64decode(cursor))
    try:
        return Place(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=key))
    except OverflowError:
        # Not one of ours, and still a place: before or after everything.
        return END if microseconds > 0 else Place(datetime.min.replace(tzinfo=UTC), UUID(int=0))


def cursor_of(place: Place) -> str:
    """Write a place in a journey as a cursor."""
    microseconds = (place.occurred_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_PLACE.pack(microseconds, place.key.bytes)).decode()


def bearer_of(authorization: str | None) -> str:
    """Return the key of an Authorization header."""
    scheme, _, key = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise RefusedError("unauthorized")
    return key.strip()


def accepts_json(accept: str | None) -> bool:
    """Tell whether an Accept header allows application/json."""
    if not accept:
        return True
    for item in accept.lower().split(","):
        media, *options = (part.strip() for part in item.split(";"))
        refused = any(re.fullmatch(r"q=0(\.0{0,3})?", option.replace(" ", "")) for option in options)
        if media in _JSON and not refused:
            return True
    return False


def names_version(if_none_match: str | None, *, tag: str) -> bool:
    """Tell whether an If-None-Match header names the tag, or any."""
    if if_none_match is None:
        return False
    tags = [item.strip().removeprefix("W/") for item in if_none_match.split(",")]
    return "*" in tags or tag in tags
