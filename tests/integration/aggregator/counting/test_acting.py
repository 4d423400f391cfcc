"""Contacts of companies as a worker keeps them: through retention, and under other names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from services.aggregator.counting.pipeline import Pipeline
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.retention import Round
from services.state.roles import WORKER
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.support.chunks import chunk, event
from tests.support.databases import as_role

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)
ALL = 1e11


@pytest.fixture
async def store(postgres_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.open(PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER))), lanes=1)
    yield opened
    await opened.close()


async def count(worker: Pipeline, told: list[tuple[str, str, float, str]]) -> None:
    """Count events, each of (customer, account, days ago, role), one after another."""
    for offset, (customer, account, days, role) in enumerate(told):
        at = NOW - timedelta(days=days)
        value = event(
            f"e{offset}",
            time=at.isoformat(),
            identities=(customer,),
            extra={"account": account, "properties": {"role": role}},
            envelope={"keykind": "server"},
        )
        await worker.process(chunk([value], first=offset, at_ms=int(at.timestamp() * 1000) + 1))


async def roles(database: asyncpg.Connection) -> list[tuple[str, str, int]]:
    rows = await database.fetch(
        "SELECT r.account, i.value, r.role FROM contact_role AS r JOIN identity AS i ON i.id = r.identity ORDER BY 1, 2, r.hour"
    )
    return [tuple(row) for row in rows]


async def test_a_contact_is_forgotten_with_the_person_and_a_former_role_when_no_hour_reads_it(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, store: Database
) -> None:
    worker = await open_pipeline()
    await worker._companies.stop()
    await count(
        worker,
        [
            ("customer:gone", "acme", 600, "champion"),
            ("customer:here", "acme", 700, "user"),
            ("customer:here", "acme", 500, "champion"),
            ("customer:here", "acme", 2, "decision_maker"),
        ],
    )

    await database.execute("DELETE FROM account_mark")

    while isinstance(await store.retire(again_after_s=ALL), Round):
        pass

    assert await roles(database) == [("acme", "customer:here", 1), ("acme", "customer:here", 2)]
    assert await database.fetchval("SELECT count(*) FROM contact") == 1
    assert await database.fetchval("SELECT array_agg(DISTINCT account) FROM account_mark") == ["acme"]
