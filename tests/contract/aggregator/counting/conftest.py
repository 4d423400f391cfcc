"""A worker's store, once in the memory of the tests and once in Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from services.aggregator.counting.ports import Store
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.roles import WORKER
from tests.support.databases import Databases, as_role
from tests.support.memory_store import MemoryStore


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
def databases_or_none(request: pytest.FixtureRequest) -> Databases | None:
    return None if request.param == "memory" else request.getfixturevalue("databases")


@pytest.fixture
async def store(databases_or_none: Databases | None) -> AsyncIterator[Store]:
    if databases_or_none is None:
        yield MemoryStore()
        return
    name = await databases_or_none.create()
    dsn = SecretStr(as_role(databases_or_none.server.dsn_of(name), WORKER))
    opened = await Database.open(PostgresSettings(dsn=dsn), lanes=2)
    yield opened
    await opened.close()
    await databases_or_none.drop(name)
