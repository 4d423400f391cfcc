"""What followers are told of scores: whatever a transaction writes, in its own row."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import pytest

from services.aggregator.counting.pipeline import Pipeline
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.support.chunks import chunk, event

pytestmark = pytest.mark.integration

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOW_MS = int(START.timestamp() * 1000)


def said(event_id: str, *identities: str, touchpoint: str = "web.checkout_error") -> bytes:
    return event(event_id, time="2026-06-01T12:00:00Z", identities=identities, touchpoint=touchpoint)


async def told(database: asyncpg.Connection) -> list[tuple[int, dict[str, tuple[float, float, int]]]]:
    """Of each transaction its version and what it says of whom, in the order in which followers read."""
    rows = await database.fetch("SELECT * FROM score_change ORDER BY xact, id")
    names = {row["id"]: row["value"] for row in await database.fetch("SELECT id, value FROM identity")}
    return [
        (
            row["version"],
            {
                names[person]: (score, confidence, band)
                for person, score, confidence, band in zip(
                    row["persons"], row["scores"], row["confidences"], row["bands"], strict=True
                )
            },
        )
        for row in rows
    ]


async def stored(database: asyncpg.Connection, *persons: str) -> dict[str, tuple[float, float, int, int]]:
    rows = await database.fetch(
        "SELECT i.value, p.score, p.confidence, p.band, p.version FROM person AS p JOIN identity AS i USING (id) "
        "WHERE i.value = ANY($1::text[])",
        list(persons),
    )
    return {row["value"]: tuple(row)[1:] for row in rows}


@pytest.fixture
async def worker(open_pipeline: OpenPipeline) -> Pipeline:
    return await open_pipeline()


async def test_every_score_that_a_chunk_writes_is_told_in_one_row(
    worker: Pipeline, database: asyncpg.Connection
) -> None:
    await worker.process(chunk([said("e-1", "customer:a"), said("e-2", "customer:b")], at_ms=NOW_MS))

    [(version, scores)] = await told(database)
    assert {name: (*score, version) for name, score in scores.items()} == await stored(
        database, "customer:a", "customer:b"
    )
    assert all(score < 50 for score, _, _ in scores.values())


async def test_who_became_part_of_another_is_told_with_whom_they_joined(
    worker: Pipeline, database: asyncpg.Connection
) -> None:
    await worker.process(chunk([said("e-1", "anonymous:v")], at_ms=NOW_MS))
    alone = await stored(database, "anonymous:v")

    login = said("e-2", "customer:c", "anonymous:v", touchpoint="identity.linked")
    await worker.process(chunk([login], part=1, at_ms=NOW_MS))

    _, (version, scores) = await told(database)
    assert scores.keys() == {"customer:c", "anonymous:v"}
    assert scores["anonymous:v"] == alone["anonymous:v"][:3]
    assert (*scores["customer:c"], version) == (await stored(database, "customer:c"))["customer:c"]


async def test_a_chunk_of_nothing_but_duplicates_tells_nothing(worker: Pipeline, database: asyncpg.Connection) -> None:
    await worker.process(chunk([said("e-1", "customer:a")], at_ms=NOW_MS))
    await worker.process(chunk([said("e-1", "customer:a")], first=1, at_ms=NOW_MS))

    assert len(await told(database)) == 1
