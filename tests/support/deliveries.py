"""Deliver a vendor's webhooks to a door whose log is in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from schemas.topics import DLQ
from services.infra.kafka import LogRecord
from tests.support.doors import memory_client
from tests.support.hooks import hook_sources, with_signature
from tests.support.memory_log import MemoryLog

NO_HEADERS: Mapping[str, str] = {}


async def delivered(provider: str, *bodies: object, headers: Mapping[str, str] = NO_HEADERS) -> list[dict[str, Any]]:
    """The records of what a vendor delivers, signed; all of it is taken, and nothing set aside."""
    records = await _sent(provider, *bodies, headers=headers)
    assert not [one for one in records if one.topic == DLQ]
    return [json.loads(one.value) for one in records]


async def kept(provider: str, said: object) -> list[dict[str, Any]]:
    """What the log has of a delivery that says this, beside what is set aside."""
    records = await _sent(provider, said, headers=NO_HEADERS)
    return [json.loads(one.value) for one in records if one.topic != DLQ]


async def _sent(provider: str, *bodies: object, headers: Mapping[str, str]) -> list[LogRecord]:
    log = MemoryLog()
    async with memory_client(log, sources=hook_sources()) as client:
        for said in bodies:
            given = {"content-type": "application/json", **headers}
            given, body = with_signature(provider, given, json.dumps(said).encode())
            answer = await client.post(f"/hooks/{provider}/our-{provider}", content=body, headers=given)
            assert answer.status_code == 200, answer.text
    return log.records


def who(record: Mapping[str, Any]) -> set[str]:
    """The kinds by which a record knows the person."""
    return {one["kind"] for one in record["data"]["identities"]}


def once(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The one event that all records tell of: whatever counts them finds the same id, and the same data under it."""
    assert records
    assert {one["id"] for one in records} == {records[0]["id"]}
    assert [one["data"] for one in records] == [records[0]["data"]] * len(records)
    return records[0]
