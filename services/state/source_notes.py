"""What chunks note of their sources: appended in their own transactions, and folded by one worker at a time.

A row that every chunk of a source changed would let its chunks wait for each other, each until the other is on the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec

from services.state.pool import LEND_S, Statements, lent, present

LOCK: Final = 7_241_005_517
"""Advisory lock of whoever folds; any number that no other program uses."""

NOTES_MAX: Final = 2_000
"""Folded in one transaction: some tenths of a second, and more than a worker notes in a minute."""

SOURCES_MAX: Final = 10_000
"""As many as a sources file can name; only who writes to the log itself could bring more."""

NAMES_MAX: Final = 100
"""Of one source: a person mends them one by one. Those not sent for a month are forgotten and leave room."""

TILLS_MAX: Final = 10_000
"""Of one source and business day: two thousand stores with five tills."""

RUNS_MAX: Final = 1_000
"""Of a till's day: runs of numbers without a hole. A till's lines come in order, so hundreds are a till that makes them up."""

HOURS_DAYS: Final = 70
"""A rhythm is learned from eight weeks."""

NAMES_DAYS: Final = 30

TILLS_DAYS: Final = 90
"""A till that was away for a season has been noticed otherwise."""


class HourNote(msgspec.Struct, gc=False):
    """What a source has brought in an hour of the log's time."""

    source: str
    hour: int
    live: int = 0
    late: int = 0
    rejected: int = 0
    timed: int = 0
    """Events that said when they were sent."""
    ahead: int = 0
    """Of these, by a clock that is surely ahead."""
    clock_ms: int | None = None
    """The least that lay between sending and arriving."""
    first_ms: int | None = None
    """When the log took the first event, since 1970; None when all that came was rejected."""
    last_ms: int | None = None


class NameNote(msgspec.Struct, gc=False):
    """Events of a touchpoint that nobody declared."""

    source: str
    touchpoint: str
    events: int
    last_ms: int


class TillNote(msgspec.Struct, gc=False):
    """A run of numbers, without a hole, that a till used on a business day."""

    till: str
    """source/store/till"""
    day: str
    low: int
    high: int
    last_ms: int
    clock_ms: int | None


class SourceNote(msgspec.Struct, gc=False):
    """What one chunk says of its sources; source and till are names that a sources file may hold."""

    hours: Sequence[HourNote] = ()
    names: Sequence[NameNote] = ()
    tills: Sequence[TillNote] = ()


_ENCODER: Final = msgspec.json.Encoder()


class SourceNoteTable:
    """The statements of `source_note`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def add(self, note: SourceNote) -> None:
        """Append a note to what will be folded."""
        await self._say.run("note_sources", _ENCODER.encode(note).decode())


async def fold_notes(pool: asyncpg.Pool) -> bool:
    """Add what was noted to what is known of sources; True when there may be more of it.

    All of it or nothing; safe when several workers do it at once. Raises UnavailableError.
    """
    with present():
        async with lent(pool, within_s=LEND_S) as connection, connection.transaction():
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                return False
            say = Statements(connection)
            [taken] = await say.rows("take_notes", NOTES_MAX)
            if taken["notes"] is None:
                return False
            await _fold(say, taken["notes"])
            return bool(taken["count"] == NOTES_MAX)


async def _fold(say: Statements, notes: str) -> None:
    await say.run("fold_sources", notes, SOURCES_MAX)
    await say.run("fold_hours", notes)
    await say.run("fold_names", notes, NAMES_MAX)
    await say.run("fold_tills", notes, TILLS_MAX, RUNS_MAX)


async def forget_old(say: Statements) -> None:
    """Delete what no reading asks for any more."""
    await say.run("forget_hours", HOURS_DAYS)
    await say.run("forget_names", NAMES_DAYS)
    await say.run("forget_tills", TILLS_DAYS)
