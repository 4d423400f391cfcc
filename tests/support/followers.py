"""A follower of cx.scores.v1 as its contract has it: another client than the product's, and nothing but what the topic says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import asyncpg

from schemas.score import MergedCustomer, ScoreRecord
from schemas.topics import SCORES
from tests.support.independent_log import read_committed

Told = Mapping[str, Mapping[str, Any]]
"""By customer, the record that is held."""


def followed(bootstrap: str) -> dict[str, dict[str, Any]]:
    """What a follower holds that reads the topic from 0 and takes a record only when its version is above the one held."""
    held: dict[str, dict[str, Any]] = {}
    for record in read_committed(bootstrap, SCORES):
        assert record.key is not None
        name = record.key.decode()
        if record.value is None:
            held.pop(name, None)
            continue
        ScoreRecord.model_validate_json(record.value)
        state = json.loads(record.value)
        assert state["customer"] == name
        if state["version"] > held.get(name, {"version": 0})["version"]:
            held[name] = state
    return held


def last_of_each_key(bootstrap: str) -> dict[str, dict[str, Any]]:
    """What compaction leaves: the last record of each key, whatever its version."""
    kept: dict[str, dict[str, Any]] = {}
    for record in read_committed(bootstrap, SCORES):
        assert record.key is not None
        kept.pop(record.key.decode(), None)
        if record.value is not None:
            kept[record.key.decode()] = json.loads(record.value)
    return kept


def published(bootstrap: str) -> list[tuple[str, int]]:
    """Every state in the topic by customer and version, those of one customer in their order."""
    records = [json.loads(record.value) for record in read_committed(bootstrap, SCORES) if record.value is not None]
    return [(state["customer"], state["version"]) for state in records]


def is_merged(state: Mapping[str, Any]) -> bool:
    """Whether a record says that its customer turned out to be another."""
    return state.keys() == MergedCustomer.model_fields.keys()


async def in_postgres(dsn: str) -> dict[str, tuple[float, float, str, str, int]]:
    """Everybody who is themselves: score, confidence, band, model and version, by another way than the product's."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT person_id, round(score::numeric, 9)::float8, round(confidence::numeric, 9)::float8, band, "
            "model_version, version FROM customer_score"
        )
        return {row[0]: tuple(row)[1:] for row in rows}
    finally:
        await connection.close()


async def merged_in_postgres(dsn: str) -> dict[str, str]:
    """Who ever had a score and is part of another by now."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT i.value, n.value FROM person AS p JOIN identity AS i ON i.id = p.id "
            "JOIN identity AS n ON n.id = i.person WHERE i.person <> i.id AND p.version > 0"
        )
        return {row[0]: row[1] for row in rows}
    finally:
        await connection.close()


def themselves(held: Told) -> dict[str, tuple[float, float, str, str, int]]:
    """What a follower holds of those who are themselves, as `in_postgres` has it."""
    return {
        name: (one["score"], one["confidence"], one["band"], one["model_version"], one["version"])
        for name, one in held.items()
        if not is_merged(one)
    }


def merged(held: Told) -> dict[str, str]:
    """Whom a follower knows to be part of another."""
    return {name: one["merged_into"] for name, one in held.items() if is_merged(one)}


async def is_followed(bootstrap: str, dsn: str) -> bool:
    """Whether a follower has exactly what Postgres has."""
    held = followed(bootstrap)
    return themselves(held) == await in_postgres(dsn) and merged(held) == await merged_in_postgres(dsn)
