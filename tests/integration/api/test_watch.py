"""What operators see of the database: models that take over, and rebuilds that somebody has left."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from services.api.watch import Watch
from services.infra.settings import PostgresSettings
from services.state.database import ReadDatabase
from services.state.roles import READER
from tests.support.databases import as_role

pytestmark = pytest.mark.integration

BEGIN = "INSERT INTO rebuild (judged_by, total, moved_at) VALUES ('a-hash', 10, now() - interval '2 hours')"
END = "UPDATE rebuild SET ended_at = now(), outcome = 'dropped'"


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


async def still_s(watch: Watch) -> float:
    await watch.look()
    assert watch.unready() is None
    shown = REGISTRY.get_sample_value("tactus_rebuild_still_seconds")
    assert shown is not None
    return shown


async def test_a_rebuild_that_somebody_has_left_is_shown_for_as_long_as_it_stands(
    postgres_dsn: str, database: asyncpg.Connection
) -> None:
    reader = ReadDatabase(PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, READER))), application="test")
    watch = Watch(reader)

    before = await still_s(watch)
    await database.execute(BEGIN)
    left = await still_s(watch)
    await database.execute(END)
    after = await still_s(watch)
    await reader.close()

    assert (before, after) == (0, 0)
    assert 7200 <= left < 7200 + 600
