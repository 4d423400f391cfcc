"""One command for what workers do once a day: it tells first, does it at once, and says what went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from services.commands import maintain
from services.infra.settings import PostgresSettings, Settings
from services.state.roles import WORKER
from tests.support.databases import as_role

pytestmark = pytest.mark.integration

HOUR = int((datetime.now(UTC) - timedelta(days=500)).timestamp()) // 3600


async def test_it_tells_removes_and_then_finds_nothing(postgres_dsn: str) -> None:
    database = await asyncpg.connect(postgres_dsn)
    await database.execute(
        "INSERT INTO tally_row SELECT n, 1, $1, 1, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(1, 9) AS n", HOUR
    )
    await database.execute("INSERT INTO identity VALUES (1, 'customer:c', 1, 9)")
    await database.execute("INSERT INTO person (id) VALUES (1)")
    settings = Settings(postgres=PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER))))

    foreseen = await maintain._maintain(settings, dry_run=True)
    untouched = await database.fetchval("SELECT count(*) FROM tally_row")
    first = await maintain._maintain(settings, dry_run=False)
    second = await maintain._maintain(settings, dry_run=False)

    assert untouched == foreseen["tallies"] == first["tallies"] == 9
    assert first["people"] == 1
    assert set(second.values()) == {0}
    assert await database.fetchval("SELECT count(*) FROM identity") == 0
    await database.close()
