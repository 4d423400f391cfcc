"""A database that goes back to a copy of itself while its workers live."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from services.embedded.postgres import EmbeddedPostgres
from services.state.migrations import migrate
from services.state.roles import WORKER, let_in
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.support.chunks import chunk, event
from tests.support.databases import PASSWORD
from tests.support.places import data_directory

pytestmark = pytest.mark.integration

NOON, NOON_MS = "2026-09-21T12:00:00Z", 1_790_000_000_000

NUMBERS_OF_AGAIN = (
    "SELECT i.id, l.id FROM identity i, leaf l WHERE i.value = 'customer:again' AND l.touchpoint = 'x.again'"
)
OTHER = """
WITH number AS (SELECT nextval('identity_id') AS id),
    stranger AS (INSERT INTO identity (id, value, person) SELECT id, 'customer:other', id FROM number RETURNING id),
    leaf AS (INSERT INTO leaf (touchpoint, channel, place) VALUES ('x.other', 'web', '') RETURNING id)
SELECT stranger.id, leaf.id FROM stranger, leaf
"""


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    with data_directory() as folder:
        postgres = EmbeddedPostgres(folder, settings={"shared_buffers": "16MB"})
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()


@pytest.fixture
async def postgres_dsn(server: EmbeddedPostgres) -> str:
    await migrate(server.dsn)
    await let_in(server.dsn, {WORKER: PASSWORD})
    return server.dsn


async def test_after_a_restore_a_living_worker_counts_for_the_right_customer_and_touchpoint(
    server: EmbeddedPostgres, postgres_dsn: str, open_pipeline: OpenPipeline
) -> None:
    copy = server.directory.with_name("copy")
    first = event("e-1", time=NOON, identities=("customer:first",))
    again = event("e-2", time=NOON, identities=("customer:again",), touchpoint="x.again")
    living = await open_pipeline()
    await living.process(chunk([first], at_ms=NOON_MS))
    server.stop()
    copied(server.directory, copy)
    server.start()
    await living.process(chunk([again], first=1, at_ms=NOON_MS))
    given = await fetched(postgres_dsn, NUMBERS_OF_AGAIN)

    server.stop()
    shutil.rmtree(server.directory)
    copied(copy, server.directory)
    server.start()
    # Somebody else gets the numbers that were given out before the database went back.
    assert await fetched(postgres_dsn, OTHER) == given
    await living.process(chunk([again], first=1, at_ms=NOON_MS))

    assert await fetched(postgres_dsn, "SELECT identity, touchpoint, n FROM tally ORDER BY n, identity") == [
        ("customer:again", "x.again", 1),
        ("customer:first", "order.completed", 1),
    ]


def copied(tables: Path, copy: Path) -> None:
    """With the owner that the server runs as."""
    subprocess.run(["cp", "-a", tables, copy], check=True)


async def fetched(dsn: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()
