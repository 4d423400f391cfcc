"""Names of leaves on the real database: their numbers, and the room that each source has for them."""

from __future__ import annotations

import asyncio
from datetime import datetime

import asyncpg
import pytest

from schemas.topics import EVENTS
from services.aggregator.counting.name_bounds import TOO_MANY_NAMES
from services.infra.settings import AggregatorSettings
from services.state.leaves import LEAVES_MAX, Brought, LeafTable
from services.state.pool import connected
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.support.chunks import chunk, event
from tests.support.readapi import read_client

pytestmark = pytest.mark.integration

NOON = "2026-06-01T12:00:00Z"
NOON_MS = 1_780_315_200_000
PUBLIC_MAX = AggregatorSettings().names_public_max
COUNTS = "SELECT applied, duplicate, conflict, dead FROM partition_progress WHERE topic = $1 AND part = $2"
GAP = (
    "SELECT sum(next - start - skipped - lost_accepted - applied - duplicate - conflict - dead - erased)"
    " FROM partition_progress"
)


def made_up(count: int, *, prefix: str = "x.made_up", source: str = "web/page") -> list[bytes]:
    return [
        event(f"{prefix}-{n}", time=NOON, touchpoint=f"{prefix}_{n}", source=source, envelope={"keykind": "browser"})
        for n in range(count)
    ]


async def test_a_flood_of_names_ends_at_the_bound_and_every_record_is_accounted_for(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()

    await asyncio.gather(
        *(
            worker.process(chunk(made_up(PUBLIC_MAX, prefix=f"x.flood_{part}"), part=part, at_ms=NOON_MS))
            for part in range(3)
        )
    )

    assert await database.fetchval("SELECT count(*) FROM leaf") == PUBLIC_MAX
    assert [tuple(row) for row in await database.fetch("SELECT * FROM name_budget")] == [("web", PUBLIC_MAX)]
    refused = await database.fetchval("SELECT count(*) FROM dead_letter WHERE reason = $1", TOO_MANY_NAMES)
    assert refused == 2 * PUBLIC_MAX
    assert await database.fetchval(GAP) == 0


async def test_two_workers_number_the_same_leaves_once(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    one = await open_pipeline()
    await one.process(chunk(made_up(50), at_ms=NOON_MS))
    other = await open_pipeline()

    again = [value.replace(b'"id":"', b'"id":"again-') for value in made_up(60)]
    await other.process(chunk(again, first=50, at_ms=NOON_MS))

    assert await database.fetchval("SELECT count(*) FROM leaf") == 60
    assert await database.fetchval("SELECT max(id) FROM leaf") == 60
    assert tuple(await database.fetchrow(COUNTS, EVENTS, 0) or ()) == (110, 0, 0, 0)


async def test_leaves_numbered_beyond_eight_million_count_and_are_read(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, postgres_dsn: str
) -> None:
    worker = await open_pipeline()
    await worker.process(chunk(made_up(2), at_ms=NOON_MS))
    await database.execute("ALTER SEQUENCE leaf_id_seq RESTART WITH 8388607")

    await worker.process(chunk(made_up(4, prefix="x.later"), first=2, at_ms=NOON_MS))
    later = [value.replace(b'"id":"', b'"id":"again-') for value in made_up(4, prefix="x.later")]
    await (await open_pipeline()).process(chunk(later, first=6, at_ms=NOON_MS))

    assert await database.fetchval("SELECT max(leaf) FROM tally_row") > 1 << 23
    assert tuple(await database.fetchrow(COUNTS, EVENTS, 0) or ()) == (10, 0, 0, 0)
    assert await database.fetchval("SELECT sum(n) FROM tally_row") == 10
    async with read_client(postgres_dsn, now=datetime.fromisoformat(NOON)) as client:
        told = (await client.get("/v1/customers/customer:c-1/receipt")).json()
    assert sum(leaf["events"] for leaf in told["leaves"]) == 10


async def test_when_numbers_run_out_new_names_are_refused_and_declared_ones_are_not(
    database: asyncpg.Connection, postgres_dsn: str
) -> None:
    await database.execute("SELECT setval('leaf_id_seq', $1)", LEAVES_MAX)

    async with connected(postgres_dsn, application="tactus-tests") as statements:
        await LeafTable(statements).add([Brought(("x.new", "web", ""), "web", 9), Brought(("t", "web", ""), None, 0)])
        found = await LeafTable(statements).find([("x.new", "web", ""), ("t", "web", "")])

    assert [leaf.touchpoint for leaf in found] == ["t"]
