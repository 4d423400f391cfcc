"""Workers on a database in memory and a log that says what a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from tests.support.memory_store import MemoryStore
from tests.support.said_log import SaidLog

Start = Callable[[], Awaitable[Pipeline]]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def said_log(store: MemoryStore) -> SaidLog:
    return SaidLog(store)


@pytest.fixture
async def start(store: MemoryStore, said_log: SaidLog) -> AsyncIterator[Start]:
    """Start a worker that owns every partition from there on."""
    async with AsyncExitStack() as stack:

        async def start_one() -> Pipeline:
            worker = await Pipeline.on(
                store, said_log, load_catalogue(None), cache_rows_max=10_000, clock=SystemClock()
            )
            stack.push_async_callback(worker.close)
            await worker.take_ownership({partition: Bounds(*ends) for partition, ends in said_log.bounds.items()})
            return worker

        yield start_one
