"""Understand what a request asks for, or refuse it with what to change."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes
from uuid import UUID

from schemas.changeapi import PERIOD_DEFAULT
from schemas.historyapi import DAYS_DEFAULT, DAYS_MAX
from schemas.instant import parse_instant
from schemas.readapi import CURSOR_PATTERN, KNOWN, KNOWN_NOW, PAGE_DEFAULT, PAGE_MAX
from schemas.touchpoint import IDENTITY_PATTERN, KIND_PATTERN, RECORD_KIND_PATTERN
from services.api.history_answers import Span
from services.core.change import PERIODS
from services.core.dimensions import DIMENSIONS
from services.core.instants import instant_of, micros_of
from services.infra.errors import InvalidEventError
from services.infra.http.languages import language_of
from services.infra.http.problems import Refused
from services.infra.pseudonyms import formerly_known, known_identities
from services.infra.spelling import Spelt
from services.state.events import END, Place

PARAMETERS_MAX: Final = 16
"""No operation names more than twelve."""

EARLIEST: Final = datetime.min.replace(tzinfo=UTC)

AHEAD_MAX: Final = timedelta(minutes=5)
"""So far an asker's clock may be ahead of ours: a moment that it calls the present is no question about the future."""

_KIND: Final = re.compile(f"{KIND_PATTERN}|{RECORD_KIND_PATTERN}")
_VALUE: Final = re.compile(IDENTITY_PATTERN)
_CONTACT: Final = re.compile(r"[^@]+@[^@]+|\+[0-9][0-9 ()./-]+")
_CURSOR: Final = re.compile(CURSOR_PATTERN)
_LIMIT: Final = re.compile(r"[0-9]{1,3}")
_DATE_CHARS: Final = len("2026-03-01 ")
_PLACE: Final = struct.Struct(">q16s")
_JSON: Final = frozenset({"*/*", "application/*", "application/json"})
TO_COME: Final = "lies in the future: a score is read of what has happened; send a moment up to now, or none for now"
_MALFORMED_IDENTITY: Final = Refused(
    "invalid-identity", "The path must hold kind:value, the value percent-encoded UTF-8 of printable characters."
)


class Asked(NamedTuple):
    """A request as it came; header values and the path are latin-1 text."""

    identity: str
    """A segment of the path, percent-encoded; empty where the path names nobody."""
    query: bytes
    authorization: list[str]
    accept: str | None
    accept_language: str | None
    if_none_match: str | None
    address: str = ""
    """Whence it came, as far as the connection tells."""
    if_match: str | None = None
    idempotency_key: str | None = None
    part: str = ""
    """A second segment of the path, where there is one."""


class Named(NamedTuple):
    """Whom a path names."""

    identities: tuple[str, ...]
    """Under what the person may be kept, the likeliest first: an earlier version spelt otherwise."""
    unknown: Refused
    """What is said when nobody is known by any of these."""


class When(NamedTuple):
    """Which time a request asks about."""

    at: datetime
    fixed: bool
    """Whether the request named the moment itself."""
    known_then: bool
    """Whether only what had arrived by then counts."""
    over: str
    """The period before it whose change is asked for."""
    span: Span
    """The days before it whose history is asked for."""


class Question(NamedTuple):
    """What a request asks, understood; operations that name no page have the first one."""

    person: Named
    when: When
    limit: int
    before: Place
    if_none_match: str | None
    language: str

    @property
    def at(self) -> datetime:
        """The moment that is read at."""
        return self.when.at


def question_of(
    asked: Asked, *, named: Collection[str], languages: Sequence[str], now: datetime, hash_key: bytes
) -> Question | Refused:
    """Understand a whole request; `named` are the parameters of its operation, `languages` those of its words."""
    parameters = parameters_of(asked.query, named=named)
    if isinstance(parameters, Refused):
        return parameters
    page = page_of(parameters)
    if isinstance(page, Refused):
        return page
    when = when_of(parameters, now=now)
    if isinstance(when, Refused):
        return when
    person = named_of_path(asked.identity, hash_key=hash_key)
    if isinstance(person, Refused):
        return person
    language = language_of(asked.accept_language, languages)
    return Question(person, when, *page, asked.if_none_match, language)


def page_of(parameters: Mapping[str, str]) -> tuple[int, Place] | Refused:
    """Return the asked size of a page, and the place that it is before."""
    limit = limit_of(parameters.get("limit"))
    if isinstance(limit, Refused):
        return limit
    before = place_of(parameters.get("cursor"))
    return before if isinstance(before, Refused) else (limit, before)


def when_of(parameters: Mapping[str, str], *, now: datetime) -> When | Refused:
    """Return the asked moment, and what is asked of the time before it."""
    end = "to" if "to" in parameters else "at"
    at = moment_of(parameters.get(end), now=now, name=end)
    if isinstance(at, Refused):
        return at
    if not has_come(at, now=now):
        return bad(f"The parameter {end} {TO_COME}.")
    span = span_of(parameters, until=at)
    if isinstance(span, Refused):
        return span
    over = parameters.get("over", PERIOD_DEFAULT)
    if over not in PERIODS:
        return bad(f"The parameter over must be one of {', '.join(PERIODS)}.")
    known = parameters.get("known", KNOWN_NOW)
    if known not in KNOWN:
        return bad(f"The parameter known must be one of {', '.join(KNOWN)}.")
    return When(at, end in parameters, known != KNOWN_NOW, over, span)


def has_come(at: datetime, *, now: datetime) -> bool:
    """Whether a moment can be read at: what will happen until a later one is not known."""
    return at <= now + AHEAD_MAX


def span_of(parameters: Mapping[str, str], *, until: datetime) -> Span | Refused:
    """Return the asked days before a moment, and the dimension; without `from` those of a year."""
    usual = timedelta(days=DAYS_DEFAULT - 1)
    since = moment_of(parameters.get("from"), now=max(until, EARLIEST + usual) - usual, name="from")
    if isinstance(since, Refused):
        return since
    if since > until:
        return bad("The parameter from must not lie after to, which is now when left out.")
    if (until - since).days >= DAYS_MAX:
        return bad(f"The parameter from must lie less than {DAYS_MAX} days before to.")
    dimension = parameters.get("dimension")
    if dimension is not None and dimension not in DIMENSIONS:
        return bad(f"The parameter dimension must be one of {', '.join(DIMENSIONS)}.")
    return Span(since, until, dimension)


def named_of_path(segment: str, *, hash_key: bytes) -> Named | Refused:
    """Return `kind:value` as it may be stored; e-mail and phone become their hashes."""
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        return _MALFORMED_IDENTITY
    kind, colon, value = text.partition(":")
    if not colon or not _KIND.fullmatch(kind) or not _VALUE.fullmatch(value):
        return _MALFORMED_IDENTITY
    formerly = formerly_known(hash_key, kind, value)
    unknown = Refused("unknown-customer")
    found: tuple[Spelt, ...] = ()
    try:
        found = known_identities(hash_key, kind, value)
    except InvalidEventError as error:
        # What has the form of an address or a number and can be none is nobody's, which is no fault of the request.
        slug = "unknown-customer" if _CONTACT.fullmatch(value) else "invalid-identity"
        unknown = Refused(slug, f"The {kind} {error}.")
        if formerly is None:
            return unknown
    every = dict.fromkeys((*found, *([] if formerly is None else [formerly])))
    return Named(tuple(":".join(one) for one in every), unknown)


def parameters_of(query: bytes, *, named: Collection[str]) -> Mapping[str, str] | Refused:
    """Return the query parameters; each must be named by the operation and stand at most once."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError:
        return bad(f"Write the query in percent-encoded UTF-8, with at most {PARAMETERS_MAX} parameters.")
    values = dict(pairs)
    if len(values) < len(pairs):
        return bad("A parameter stands twice: send each at most once.")
    if not values.keys() <= set(named):
        return bad(f"A parameter is not known here. Send none but: {', '.join(named)}.")
    return values


def moment_of(text: str | None, *, now: datetime, name: str = "at") -> datetime | Refused:
    """Return the asked moment in UTC."""
    if text is None:
        return now
    try:
        # A plus that was not percent-encoded arrives as a blank; but one after the date may stand there for the T.
        return parse_instant(text[:_DATE_CHARS] + text[_DATE_CHARS:].replace(" ", "+"))
    except ValueError as error:
        return bad(f"The parameter {name} {error}.")


def limit_of(text: str | None) -> int | Refused:
    """Return the asked size of a page."""
    if text is None:
        return PAGE_DEFAULT
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= PAGE_MAX:
        return bad(f"The parameter limit must be a whole number from 1 to {PAGE_MAX}.")
    return int(text)


def place_of(cursor: str | None) -> Place | Refused:
    """Return the place in a journey that a cursor stands for."""
    if cursor is None:
        return END
    if not _CURSOR.fullmatch(cursor):
        return bad("The parameter cursor must be `next` of the page before.")
    microseconds, key = _PLACE.unpack(base64.urlsafe_b64decode(cursor))
    try:
        return Place(instant_of(microseconds), UUID(bytes=key))
    except OverflowError:
        # Not one of ours, and still a place: before or after everything.
        return END if microseconds > 0 else Place(EARLIEST, UUID(int=0))


def cursor_of(place: Place) -> str:
    """Write a place in a journey as a cursor."""
    return base64.urlsafe_b64encode(_PLACE.pack(micros_of(place.occurred_at), place.key.bytes)).decode()


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


def bad(detail: str) -> Refused:
    """Refuse a parameter, with what to write instead."""
    return Refused("bad-parameter", detail)
