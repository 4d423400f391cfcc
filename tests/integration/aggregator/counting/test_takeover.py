"""Taking partitions from a worker that is frozen in the middle of its transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from schemas.topics import EVENTS
from services.aggregator.processor import Bounds
from services.infra.errors import ConfigurationError
from services.state.pool import connected
from services.state.progress import ProgressTable
from services.state.roles import WORKER
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.support.chunks import chunk, event
from tests.support.databases import as_role

FENCE = "UPDATE partition_progress SET moved_at = now() WHERE topic = 'cx.touchpoints.v1' AND part = 0"


async def frozen_in_a_copy(session: asyncpg.Connection, *, reached: asyncio.Event) -> None:
    """Hold the partition's row, begin to copy, and send nothing any more."""

    async def silence() -> AsyncIterator[bytes]:
        reached.set()
        await asyncio.Event().wait()
        yield b""

    async with session.transaction():
        await session.execute(FENCE)
        await session.execute("CREATE TEMP TABLE incoming (n int)")
        await session.copy_to_table("incoming", source=silence())


async def test_a_worker_frozen_in_a_copy_does_not_keep_its_partitions(
    open_pipeline: OpenPipeline, postgres_dsn: str, database: asyncpg.Connection
) -> None:
    await open_pipeline()
    session, reached = await asyncpg.connect(as_role(postgres_dsn, WORKER)), asyncio.Event()
    frozen = asyncio.create_task(frozen_in_a_copy(session, reached=reached))
    await reached.wait()

    async with asyncio.timeout(20):
        successor = await open_pipeline()
    await successor.process(chunk([event("e-1", time="2026-09-21T12:00:00Z")], at_ms=1_790_000_000_000))

    assert await database.fetchval("SELECT sum(n) FROM tally") == 1
    frozen.cancel()
    await asyncio.gather(frozen, return_exceptions=True)
    session.terminate()


async def test_every_partition_that_lost_records_is_named_at_once(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()

    with pytest.raises(ConfigurationError) as refused:
        await worker.take_ownership({(EVENTS, 0): Bounds(7, 9), (EVENTS, 1): Bounds(3, 9)})

    assert f"tactus topics accept {EVENTS}/0" in str(refused.value)
    assert f"tactus topics accept {EVENTS}/1" in str(refused.value)
    lost = "SELECT part, lost FROM partition_progress WHERE topic = $1 AND lost > 0 ORDER BY part"
    assert [tuple(row) for row in await database.fetch(lost, EVENTS)] == [(0, 7), (1, 3)]


async def test_what_is_lost_is_measured_again_when_it_is_accepted(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, postgres_dsn: str
) -> None:
    worker = await open_pipeline()
    with pytest.raises(ConfigurationError):
        await worker.take_ownership({(EVENTS, 0): Bounds(7, 20)})

    async with connected(postgres_dsn, application="tactus-tests") as statements:
        await ProgressTable(statements).accept_lost((EVENTS, 0), earliest=11, end=20, foreign=False)

    stands = "SELECT next, lost, lost_accepted FROM partition_progress WHERE topic = $1 AND part = 0"
    assert [tuple(row) for row in await database.fetch(stands, EVENTS)] == [(11, 11, 11)]
    await worker.take_ownership({(EVENTS, 0): Bounds(11, 20)})
