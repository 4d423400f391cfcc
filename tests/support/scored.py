"""People whose scores were written, as whoever follows scores is to hear of them."""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg

BANDS = ("unknown", "critical", "low", "fair", "good", "great")


async def store_people(connection: asyncpg.Connection, names: Iterable[str], *, score: float = 55.0) -> list[int]:
    """Store persons with a score each, of whom nobody has been told yet."""
    model = await connection.fetchval(
        "INSERT INTO model (version) VALUES ('m1') ON CONFLICT (version) DO UPDATE SET version = excluded.version RETURNING id"
    )
    rows = await connection.fetch(
        "WITH named AS (INSERT INTO identity (id, value, person)"
        "  SELECT n, value, n FROM (SELECT nextval('identity_id') AS n, value FROM unnest($1::text[]) AS value) AS new"
        "  RETURNING id)"
        " INSERT INTO person (id, version, model, as_of, score, confidence, band)"
        " SELECT id, nextval('score_version'), $2, 490000, $3, 0.5, 3 FROM named RETURNING id",
        list(names),
        model,
        score,
    )
    return sorted(row["id"] for row in rows)


async def score(connection: asyncpg.Connection, *persons: int, to: float = 60.0, band: str = "good") -> int:
    """Write scores and that they were written, as a worker does in one transaction; returns the version."""
    version: int = await connection.fetchval("SELECT nextval('score_version')")
    await connection.execute(
        "UPDATE person SET score = $2, band = $3, version = $4 WHERE id = ANY($1)",
        list(persons),
        to,
        BANDS.index(band),
        version,
    )
    await connection.execute(
        "INSERT INTO score_change (version, model, persons, scores, confidences, bands)"
        " SELECT $1, max(model), array_agg(id), array_agg(score), array_agg(confidence), array_agg(band)"
        " FROM person WHERE id = ANY($2)",
        version,
        list(persons),
    )
    return version


async def merge(connection: asyncpg.Connection, person: int, *, into: int) -> int:
    """Let a person turn out to be another."""
    await connection.execute("UPDATE identity SET person = $2 WHERE person = $1", person, into)
    await connection.execute("UPDATE person SET merged_into = $2 WHERE id = $1", person, into)
    return await score(connection, person, into)
