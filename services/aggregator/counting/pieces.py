"""Cut a chunk into pieces that follow each other without a gap, each a chunk of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.aggregator.processor import Chunk

DAYS_MS: Final = 30 * 24 * 3_600_000
"""So long source and id alone name an event: within one piece two such records are the same event."""


def by_days(chunk: Chunk) -> Iterator[Chunk]:
    """Pieces whose records the log took within 30 days; nearly always the chunk as it is."""
    records = chunk.records
    if not records or records[-1].timestamp - records[0].timestamp <= DAYS_MS:
        yield chunk
        return
    begin = 0
    for place, record in enumerate(records):
        if record.timestamp - records[begin].timestamp > DAYS_MS:
            yield between(chunk, begin, place)
            begin = place
    yield between(chunk, begin, len(records))


def halves(chunk: Chunk) -> tuple[Chunk, Chunk]:
    """The two halves of a chunk of at least two records."""
    middle = len(chunk.records) // 2
    return between(chunk, 0, middle), between(chunk, middle, len(chunk.records))


def between(chunk: Chunk, begin: int, end: int) -> Chunk:
    """The piece with the records [begin, end); offsets without a record belong to the piece before them."""
    records = chunk.records
    first = chunk.first if begin == 0 else records[begin].offset
    next_ = chunk.next if end == len(records) else records[end].offset
    return chunk._replace(first=first, next=next_, records=records[begin:end])
