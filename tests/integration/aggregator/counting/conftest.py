"""Pipelines on a real, fresh database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.topics import DLQ, EVENT_TOPICS
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.infra.settings import PostgresSettings, Settings

PARTITIONS = 3
END = 1_000_000

OpenPipeline = Callable[[], Awaitable[Pipeline]]


@pytest.fixture
async def open_pipeline(postgres_dsn: str) -> AsyncIterator[OpenPipeline]:
    """Open workers' pipelines; each that opens owns every partition from there on."""
    async with AsyncExitStack() as stack:

        async def open_one() -> Pipeline:
            pipeline = await Pipeline.open(Settings(postgres=PostgresSettings(dsn=SecretStr(postgres_dsn))))
            stack.push_async_callback(pipeline.close)
            await pipeline.take_ownership(
                {(topic, part): Bounds(0, END) for topic in (*EVENT_TOPICS, DLQ) for part in range(PARTITIONS)}
            )
            return pipeline

        yield open_one


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees what the workers have committed."""
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()
