"""Taking partitions from a worker that is frozen in the middle of its transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg

from tests.integration.aggregator.chunks import chunk, event
from tests.integration.aggregator.conftest import OpenPipeline

FENCE = "UPDATE partition_progress SET moved_at = now() WHERE topic = 'cx.touchpoints.v1' AND part = 0"


async def frozen_in_a_copy(
    session: asyncpg.Connection, *, reached: asyncio.Event
) -> None:
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
    session, reached = await asyncpg.connect(postgres_dsn), asyncio.Event()
    frozen = asyncio.create_task(frozen_in_a_copy(session, reached=reached))
    await reached.wait()

    async with asyncio.timeout(20):
        successor = await open_pipeline()
    await successor.process(
        chunk([event("e-1", time="2026-09-21T12:00:00Z")], at_ms=1_790_000_000_000)
    )

    assert await database.fetchval("SELECT sum(n) FROM tally") == 1
    frozen.cancel()
    await asyncio.gather(frozen, return_exceptions=True)
    session.terminate()
