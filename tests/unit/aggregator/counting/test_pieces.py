"""Pieces of a chunk follow each other without a gap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import EVENTS
from services.aggregator.counting.pieces import DAYS_MS, by_days, halves
from services.aggregator.processor import Chunk
from tests.support.chunks import LogRecord


@st.composite
def chunks(draw: st.DrawFn) -> Chunk:
    """Records with holes between them, and days or none between their times."""
    steps = draw(st.lists(st.tuples(st.integers(1, 4), st.integers(0, DAYS_MS)), min_size=2, max_size=12))
    offset = at_ms = draw(st.integers(0, 5))
    first, records = offset - draw(st.integers(0, offset)), []
    for step, pause_ms in steps:
        records.append(LogRecord(offset, at_ms, None, b""))
        offset, at_ms = offset + step, at_ms + pause_ms
    return Chunk(EVENTS, 0, first, offset, records)


@given(chunks())
def test_pieces_by_days_are_the_whole_chunk_and_each_is_short(chunk: Chunk) -> None:
    pieces = list(by_days(chunk))

    assert [record for piece in pieces for record in piece.records] == chunk.records
    assert [piece.first for piece in pieces] == [chunk.first, *(piece.next for piece in pieces[:-1])]
    assert pieces[-1].next == chunk.next
    assert all(piece.records[-1].timestamp - piece.records[0].timestamp <= DAYS_MS for piece in pieces)
    assert all(piece.first <= piece.records[0].offset and piece.records[-1].offset < piece.next for piece in pieces)


@given(chunks())
def test_two_halves_are_the_whole_chunk(chunk: Chunk) -> None:
    one, other = halves(chunk)

    assert [*one.records, *other.records] == chunk.records
    assert (one.first, one.next, other.next) == (chunk.first, other.first, chunk.next)
    assert one.records
    assert other.records
