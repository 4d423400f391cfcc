"""What workers note of sources, on the real database: as exact as the counts of the conservation law."""

from __future__ import annotations

import asyncio
import random

import asyncpg
import pytest

from schemas import dead_letter
from schemas.topics import DLQ, EVENTS, LATE
from services.infra.errors import FencedError
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.support.chunks import LogRecord, chunk, event
from tests.support.said_log import PARTITIONS
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

NOON = "2026-06-01T12:00:00Z"
NOON_MS = 1_780_315_200_000
COUNTED = "SELECT sum(applied), sum(dead + conflict) FROM partition_progress"
NOTED = "SELECT sum(live + late), sum(rejected) FROM source_hour"


def sale(number: int, *, source: str = "store/042/3", touchpoint: str = "pos.sale_completed") -> bytes:
    """A till's sale; some cannot be counted."""
    identities = ("customer:null",) if number % 11 == 0 else (f"customer:c-{number % 7}",)
    envelope = {"keykind": "till"}
    event_id = f"2026-06-01/{number}"
    return event(event_id, time=NOON, source=source, touchpoint=touchpoint, identities=identities, envelope=envelope)


async def settled(database: asyncpg.Connection) -> None:
    async def all_folded() -> bool:
        return not await database.fetch("SELECT FROM source_note LIMIT 1")

    await eventually(all_folded, what="a worker has folded what was noted")


async def test_what_is_noted_adds_up_to_what_was_counted_through_repeats_and_a_takeover(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    rng = random.Random(3)
    sales = [sale(number) for number in range(1, 120)]
    other = [sale(number, source="web/page", touchpoint="x.lamp_dimmed") for number in range(1, 40)]
    log = [*sales, *rng.choices(sales, k=60), *other]
    rng.shuffle(log)
    pieces = [chunk(log[at : at + 20], first=at, at_ms=NOON_MS) for at in range(0, len(log), 20)]

    former = await open_pipeline()
    for piece in pieces[:4]:
        await former.process(piece)
    present = await open_pipeline()
    with pytest.raises(FencedError):
        await former.process(pieces[4])
    for piece in pieces[4:]:
        await present.process(piece)
    headers = ((dead_letter.REASON, b"invalid-event"), (dead_letter.SOURCE, b"web"))
    letters = [LogRecord(at, NOON_MS, None, b"{", headers) for at in range(5)]
    await present.process(chunk([], topic=DLQ, at_ms=NOON_MS)._replace(records=letters, next=len(letters)))
    await settled(database)

    assert await database.fetchrow(NOTED) == await database.fetchrow(COUNTED)
    assert await database.fetchval("SELECT rejected FROM source_hour WHERE source = 'web'") == 5 + 39 // 11
    names = await database.fetch("SELECT source, touchpoint, events FROM unknown_name")
    assert [tuple(row) for row in names] == [("web", "x.lamp_dimmed", 39 - 39 // 11)]
    missing = "SELECT numbers = '{[1,120)}'::int8multirange - (SELECT range_agg(int8range(n, n + 1)) FROM generate_series(11, 119, 11) AS n) FROM till_day"
    assert await database.fetchval(missing) is True


async def test_partitions_side_by_side_note_the_same_source(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()
    each = [[sale(n) for n in range(part, 400, PARTITIONS) if n % 11] for part in range(PARTITIONS)]

    async with asyncio.timeout(60):
        await asyncio.gather(
            *(worker.process(chunk(sales, part=part, at_ms=NOON_MS)) for part, sales in enumerate(each))
        )
    await settled(database)

    assert await database.fetchrow(NOTED) == await database.fetchrow(COUNTED)
    assert await database.fetchval("SELECT count(*) FROM source_hour") == 1


async def test_events_that_were_old_when_they_came_are_told_apart(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()

    await worker.process(chunk([sale(1)], topic=EVENTS, at_ms=NOON_MS))
    await worker.process(chunk([sale(2), sale(3)], topic=LATE, at_ms=NOON_MS))
    await settled(database)

    assert tuple(await database.fetchrow("SELECT live, late FROM source_hour") or ()) == (1, 2)
