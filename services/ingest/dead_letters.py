"""Make dead letters: what came and cannot be kept as an event, with the reason, and nobody's address or number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from schemas import dead_letter
from schemas.topics import DLQ
from services.infra.kafka import LogRecord
from services.infra.sources import Source
from services.ingest.masking import masked, names_by_contact

DEAD_BYTES_MAX: Final = 256 * 1024
"""So much of a dead letter is kept: any event that can be mended, and a fair look at what cannot."""

CONTACT_BYTES_MAX: Final = 1024
"""An address that begins before the cut is masked to its end; the longest has 254 characters."""

SUBJECT_CHARS_MAX: Final = 300
"""A subject that could be valid; a longer one is no key for a dead letter."""

FRAME_BYTES: Final = 3 * 1024
"""Room for a letter's headers, its key and the batch around it."""


class Unfit(NamedTuple):
    """What a dead letter is made of: an event or a whole body, what it holds if that could be read, and the reason."""

    original: bytes
    event: object
    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class DeadLetters:
    """What one request's dead letters have in common."""

    source: Source
    received_at: str
    channel: str
    path: str
    origin: str
    """Of the page that sent it, or empty."""

    def letter(self, unfit: Unfit, *, bytes_max: int) -> LogRecord:
        """Return the record; `bytes_max` is what its topic takes."""
        most = max(0, min(DEAD_BYTES_MAX, bytes_max - FRAME_BYTES))
        headers = [
            (dead_letter.REASON, unfit.reason.encode()),
            (dead_letter.DETAIL, unfit.detail.encode()),
            (dead_letter.SOURCE, self.source.name.encode()),
            (dead_letter.RECEIVED_AT, self.received_at.encode()),
            (dead_letter.CHANNEL, self.channel.encode()),
            (dead_letter.PATH, self.path[: dead_letter.PATH_CHARS_MAX].encode("utf-8", "replace")),
        ]
        if self.origin:
            headers.append((dead_letter.ORIGIN, self.origin[: dead_letter.PATH_CHARS_MAX].encode("utf-8", "replace")))
        if len(unfit.original) > most:
            headers.append((dead_letter.TRUNCATED, str(len(unfit.original)).encode()))
        kept = masked(unfit.original[: most + CONTACT_BYTES_MAX], unfit.event)
        return LogRecord(DLQ, _subject(unfit.event), kept[:most], tuple(headers))


def _subject(event: object) -> bytes | None:
    subject = event.get("subject") if isinstance(event, dict) else None
    if isinstance(subject, str) and 0 < len(subject) <= SUBJECT_CHARS_MAX and not names_by_contact(subject):
        return subject.encode()
    return None
