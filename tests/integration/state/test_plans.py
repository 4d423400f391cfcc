"""What is asked for one customer is found by keys, however many there are: a scan is quick in every test, and slow for a million."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.state.queries import SQL

pytestmark = pytest.mark.integration

PERSONS = 20_000
"""Enough that the planner knows a scan to be the dearer way."""

OF_ONE = {
    "person_of_identity": "'customer:c-17'",
    "identities_of_person": "17::bigint",
    "customers_of_persons": "'{17}'::bigint[]",
    "alerts_of_identities": "'{17}'::bigint[], now(), 10",
}
LARGE = {"person", "identity", "alert"}


@pytest.fixture
async def crowded(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    for statement in (
        "INSERT INTO identity (id, value, person) SELECT n, 'customer:c-' || n, n FROM generate_series(1, $1::int) AS n",
        "INSERT INTO person (id, version) SELECT n, n FROM generate_series(1, $1::int) AS n",
        (
            "INSERT INTO alert (id, rule, person, severity, state, opened_at, changed_at, score_before, score, reasons)"
            " SELECT gen_random_uuid(), 'drop', n, 'warning', 'open', now(), now(), 50, 40, '[]' FROM generate_series(1, $1::int) AS n"
        ),
    ):
        await connection.execute(statement, PERSONS)
    await connection.execute("VACUUM ANALYZE identity, person, alert")
    yield connection
    await connection.close()


async def scanned(connection: asyncpg.Connection, statement: str) -> set[str]:
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}"))
    return {table for table in LARGE if f"Seq Scan on {table} " in plan}


@pytest.mark.parametrize("name", OF_ONE)
async def test_what_is_asked_for_one_customer_reads_no_table_whole(crowded: asyncpg.Connection, name: str) -> None:
    await crowded.execute(f"PREPARE asked AS {SQL[name]}")

    assert await scanned(crowded, f"EXECUTE asked ({OF_ONE[name]})") == set()


async def test_a_scan_is_noticed(crowded: asyncpg.Connection) -> None:
    assert await scanned(crowded, "SELECT id FROM person_score WHERE score < 40") == {"person"}
