"""The answers of the read API about dead letters."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.score import Produced
from schemas.touchpoint import RecordInstant

LETTERS_PAGE_MAX: Final = 500
"""Letters in a page of a list: about 250 KiB of JSON."""

LETTERS_PAGE_DEFAULT: Final = 100

REPLAYED_MAX: Final = 100
"""Letters that one request sends again: a second's work."""

REPLAYED_DEFAULT: Final = 50

IDS_MAX: Final = 100
"""Ids that one request may name."""

IDS_PATTERN: Final = rf"^[1-9][0-9]{{0,17}}(,[1-9][0-9]{{0,17}}){{0,{IDS_MAX - 1}}}$"

CHANGES_MAX: Final = 50
"""Changes shown of a letter, the newest: a replay every day for seven weeks."""

LETTERS_CURSOR_PATTERN: Final = r"^[0-9]{1,18}-[0-9]{1,18}$"
"""The last letter looked at, and the newest that there was at the start: what comes meanwhile is for another time."""

NAME_PATTERN: Final = r"^[A-Za-z0-9._-]{1,64}$"
"""A reason or a channel."""

SOURCE_PATTERN: Final = r"^[ -~]{1,260}$"
"""The name of a source, and perhaps what a client called itself behind a slash."""

WORDS_PATTERN: Final = r"^[ -~]{1,100}$"
"""Some words of a detail."""

LetterId = Annotated[int, Field(ge=1, le=10**18 - 1)]
LetterState = Literal["open", "replayed", "discarded"]
LetterOrigin = Literal["ingest", "aggregator"]
Outcome = Literal["accepted", "duplicate", "conflict", "rejected", "discarded", "closed", "unknown"]


class LetterSummary(Produced):
    """A record that does not count, and why."""

    id: LetterId
    state: LetterState
    at: RecordInstant
    """When it was set aside."""
    origin: LetterOrigin
    """Who set it aside: ingest, at the door, or the aggregator, which reads the log."""
    reason: str
    detail: str
    """What to mend; never a word of the customer's."""
    source: str | None
    channel: str | None
    """Which channel read it; null for a record of the log."""
    event_id: str | None
    """As far as it could be read."""
    size: int
    """Bytes that are kept."""


class LetterChange(Produced):
    """What was done about a letter."""

    at: RecordInstant
    by: str
    """The name of the key."""
    outcome: Outcome
    detail: str


class LetterAnswer(LetterSummary):
    """A letter with what it holds."""

    path: str | None
    """Where it was sent."""
    received_at: RecordInstant | None
    """When its sender sent it."""
    topic: str
    part: int
    offset: int
    """Where it stands in the log."""
    value: str | None
    """What is kept of it, as text; it may hold personal data, but for e-mail addresses and numbers that are [removed]."""
    masked: bool
    """Something was removed from it."""
    truncated: bool
    """Only its beginning is kept."""
    changes: Annotated[list[LetterChange], Field(max_length=CHANGES_MAX)]
    """The newest first."""


class LettersAnswer(Produced):
    """A page of letters, the oldest first."""

    letters: Annotated[list[LetterSummary], Field(max_length=LETTERS_PAGE_MAX)]
    next: str | None
    """The cursor of the page behind this one; null when there is none."""


class LetterOutcome(Produced):
    """What became of a letter, or what would become of it."""

    id: LetterId
    outcome: Outcome
    """accepted: the log has it. duplicate: it counts already. conflict: another body under its source and id counts.
    rejected: it is set aside as before. discarded: it is not wanted. closed: it was dealt with before. unknown: no such letter."""
    reason: str
    detail: str


class OutcomesAnswer(Produced):
    """What became of a page of letters, the oldest first."""

    outcomes: Annotated[list[LetterOutcome], Field(max_length=LETTERS_PAGE_MAX)]
    next: str | None
    """The cursor to go on with; null when there is nothing more."""
    retry_after_s: int
    """Seconds to wait before that: more than 0 where ingest asked for it, and letters of this page are left for then."""
