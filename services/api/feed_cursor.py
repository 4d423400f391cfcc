"""Cursors of whoever follows scores: a place among the changes, of which database it is, and when that was."""

from __future__ import annotations

import hashlib
import re
import struct
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from schemas.followapi import CHANGES_CURSOR_PATTERN, CUSTOMERS_CURSOR_PATTERN, KEPT_DAYS
from services.api.requests import bad
from services.core.instants import instant_of, micros_of
from services.infra.http.problems import Refused
from services.state.following import Mark

GONE: Final = Refused("changes-gone")

_PLACE: Final = struct.Struct(">8sqqiqI")
"""Database, transaction, row, entry, when it was written (microseconds), when the cursor was made (seconds)."""

_PERSON: Final = struct.Struct(">q")

_CHANGES: Final = re.compile(CHANGES_CURSOR_PATTERN)
_CUSTOMERS: Final = re.compile(CUSTOMERS_CURSOR_PATTERN)


class Cursor(NamedTuple):
    """A place among the changes, for whoever goes on from it."""

    database: bytes
    mark: Mark
    made_at: datetime

    def too_old(self, now: datetime) -> bool:
        """Whether changes after it may be removed by now."""
        return now - self.made_at > timedelta(days=KEPT_DAYS)


class Page(NamedTuple):
    """A place in the list of customers, and where the changes stood when its first page was read."""

    person: int
    cursor: Cursor


def database_mark(name: str) -> bytes:
    """What stands for a database in a cursor."""
    return hashlib.sha256(name.encode()).digest()[:8]


def written(cursor: Cursor) -> str:
    """Write a cursor."""
    return _packed(cursor).hex()


def page_written(page: Page) -> str:
    """Write the cursor of a page."""
    return (_PERSON.pack(page.person) + _packed(page.cursor)).hex()


def cursor_of(text: str | None) -> Cursor | Refused | None:
    """Return the cursor; None where none is given."""
    if text is None:
        return None
    if not _CHANGES.fullmatch(text):
        return bad("The parameter after must be `next` of the answer before, or `changes` of a list of customers.")
    return _unpacked(bytes.fromhex(text))


def page_of(text: str | None) -> Page | Refused | None:
    """Return the place in the list; None where none is given."""
    if text is None:
        return None
    if not _CUSTOMERS.fullmatch(text):
        return bad("The parameter cursor must be `next` of the page before.")
    raw = bytes.fromhex(text)
    [person] = _PERSON.unpack(raw[: _PERSON.size])
    cursor = _unpacked(raw[_PERSON.size :])
    return cursor if isinstance(cursor, Refused) else Page(person, cursor)


def _packed(cursor: Cursor) -> bytes:
    mark, made_at_s = cursor.mark, int(cursor.made_at.timestamp())
    return _PLACE.pack(cursor.database, mark.xact, mark.id, mark.entry, micros_of(mark.at), made_at_s)


def _unpacked(raw: bytes) -> Cursor | Refused:
    database, xact, number, entry, at_us, made_at_s = _PLACE.unpack(raw)
    try:
        mark = Mark(xact, number, entry, instant_of(at_us))
    except OverflowError:
        return GONE
    # None of ours is below zero, and the database knows no such transactions.
    return GONE if min(xact, number, entry) < 0 else Cursor(database, mark, instant_of(made_at_s * 1_000_000))
