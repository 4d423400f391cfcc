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
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.settings import PostgresSettings, Settings
from services.state.database import Database
from services.state.roles import WORKER
from tests.support.databases import as_role
from tests.support.said_log import END, PARTITIONS, SaidLog

OpenPipeline = Callable[[], Awaitable[Pipeline]]


@pytest.fixture
async def open_pipeline(postgres_dsn: str) -> AsyncIterator[OpenPipeline]:
    """Open workers' pipelines; each that opens owns every partition from there on."""
    async with AsyncExitStack() as stack:

        async def open_one() -> Pipeline:
            settings = Settings(postgres=PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER))))
            store = await Database.open(settings.postgres, lanes=settings.aggregator.lanes)
            catalogue, rows_max = load_catalogue(None), settings.aggregator.cache_rows_max
            log = SaidLog(store)
            pipeline = await Pipeline.on(store, log, catalogue, cache_rows_max=rows_max, clock=SystemClock())
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
