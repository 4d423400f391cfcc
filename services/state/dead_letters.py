"""Records that cannot be counted, whole, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from schemas.topics import Partition
from services.state.pool import Statements


class DeadLetter(NamedTuple):
    """A record that is not counted, and why."""

    reason: str
    detail: str
    source: str | None
    event_id: str | None
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Selection(NamedTuple):
    """Which letters are meant; None leaves nothing out."""

    ids: Sequence[int] | None = None
    state: str | None = None
    reason: str | None = None
    source: str | None = None
    """Of the key, with all that stands behind a slash after it."""
    channel: str | None = None
    origin: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: str | None = None
    """Of the detail, which holds nothing of a customer; in whatever case."""


class Span(NamedTuple):
    """Letters behind one and through another, at most so many."""

    after: int
    through: int
    limit: int


class StoredLetter(NamedTuple):
    """A letter as it is kept, without its bytes."""

    id: int
    origin: str
    reason: str
    detail: str
    topic: str
    part: int
    offset: int
    source: str | None
    event_id: str | None
    state: str
    at: datetime
    size: int
    headers: Mapping[str, str]


class LetterChange(NamedTuple):
    """What was done about a letter."""

    at: datetime
    by: str
    outcome: str
    detail: str


class CountedEvent(NamedTuple):
    """An event that would be known again, and the hash of the body that counts."""

    key: UUID
    body_hash: int


class DeadLetterTable:
    """The statements of `dead_letter`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def found(self, selection: Selection, span: Span) -> list[StoredLetter]:
        """The letters that are meant, the oldest first."""
        ids = None if selection.ids is None else list(selection.ids)
        rows = await self._say.rows("dead_letters", *span, ids, *selection[1:])
        return [StoredLetter(**{**row, "headers": dict(json.loads(row["headers"]))}) for row in rows]

    async def newest(self) -> int:
        """The id of the newest letter; 0 when there is none."""
        return int(await self._say.value("newest_dead_letter"))

    async def values(self, ids: Sequence[int]) -> dict[int, bytes | None]:
        """What letters hold, by their ids."""
        rows = await self._say.rows("dead_letter_values", list(ids))
        return {row["id"]: row["value"] for row in rows}

    async def changes(self, letter: int, *, limit: int) -> list[LetterChange]:
        """What was done about a letter, the newest first."""
        return [LetterChange(*row) for row in await self._say.rows("dead_letter_changes", letter, limit)]

    async def note(self, changes: Mapping[int, tuple[str, str]], *, by: str) -> None:
        """Keep what became of letters, by their ids: the outcome and its detail."""
        outcomes = [outcome for outcome, _ in changes.values()]
        await self._say.run("note_changes", by, list(changes), outcomes, [detail for _, detail in changes.values()])

    async def close(self, ids: Sequence[int], *, state: str) -> None:
        """Let open letters be open no more."""
        await self._say.run("close_dead_letters", list(ids), state)

    async def counted(self, events: Sequence[tuple[UUID, datetime]]) -> list[CountedEvent]:
        """Which of these events, given by key and time, would be known again."""
        keys, times = [key for key, _ in events], [at for _, at in events]
        return [CountedEvent(*row) for row in await self._say.rows("counted_events", keys, times)]

    async def add(self, partition: Partition, letters: Sequence[DeadLetter], *, origin: str) -> None:
        """Keep the letters; one that is kept already stays as it is."""
        await self._say.run(
            "add_dead",
            origin,
            *partition,
            [_storable(one.reason) for one in letters],
            [_storable(one.detail) for one in letters],
            [one.offset for one in letters],
            [_storable(one.source) for one in letters],
            [_storable(one.event_id) for one in letters],
            [one.key for one in letters],
            [one.value for one in letters],
            [_headers(one.headers) for one in letters],
        )


def _storable(text: str | None) -> str | None:
    # Postgres text holds no U+0000 and no lone surrogate; the record itself is kept beside, byte for byte.
    if text is None:
        return None
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def _headers(headers: Sequence[tuple[str, bytes | None]]) -> str:
    pairs = [
        [_storable(name), _storable((value or b"").decode("utf-8", "backslashreplace"))] for name, value in headers
    ]
    return json.dumps(pairs)
