"""Twins inside a chunk: how the log is cut into chunks changes no outcome."""

from __future__ import annotations

import asyncpg
import pytest

from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.support.chunks import chunk, event

AT_MS = 1_790_000_000_000
TIME = "2026-09-21T12:00:00Z"
OUTCOMES = "SELECT applied, duplicate, conflict, dead, next FROM partition_progress WHERE topic = 'cx.touchpoints.v1' AND part = 0"
DEAD = "SELECT log_offset FROM dead_letter ORDER BY log_offset"

ARRIVAL = {"timeorigin": "arrival"}
FIRST = event("e-1", time=TIME)
OTHER = event("e-1", time=TIME, extra={"text": "another body"})
FIRST_ARRIVED = event("e-1", time=TIME, envelope=ARRIVAL)
OTHER_ARRIVED = event("e-1", time=TIME, extra={"text": "another body"}, envelope=ARRIVAL)


@pytest.mark.parametrize("arrived", [False, True], ids=["own time", "time of arrival"])
@pytest.mark.parametrize("cuts", [(1, 1, 1, 1, 1), (1, 4), (1, 2, 2), (3, 2), (5,)])
async def test_twins_are_measured_against_the_event_that_counts(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, cuts: tuple[int, ...], *, arrived: bool
) -> None:
    first, other = (FIRST_ARRIVED, OTHER_ARRIVED) if arrived else (FIRST, OTHER)
    log = [first, other, other, first, other]
    pipeline = await open_pipeline()

    start = 0
    for size in cuts:
        await pipeline.process(chunk(log[start : start + size], first=start, at_ms=AT_MS))
        start += size

    stands = await database.fetch(OUTCOMES)
    assert [tuple(row) for row in stands] == [(1, 1, 3, 0, 5)]
    assert [row[0] for row in await database.fetch(DEAD)] == [1, 2, 4]
    assert await database.fetchval("SELECT sum(n) FROM tally") == 1
