"""Deliver a vendor's webhooks to a door whose log is in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from schemas.topics import DLQ
from tests.support.doors import memory_client
from tests.support.hooks import hook_sources, signed
from tests.support.memory_log import MemoryLog

NO_HEADERS: Mapping[str, str] = {}


async def delivered(provider: str, *bodies: object, headers: Mapping[str, str] = NO_HEADERS) -> list[dict[str, Any]]:
    """The records of what a vendor delivers, signed; all of it is taken, and nothing set aside."""
    log = MemoryLog()
    async with memory_client(log, sources=hook_sources()) as client:
        for body in bodies:
            raw = json.dumps(body).encode()
            given = {"content-type": "application/json", **headers, **signed(provider, raw)}
            answer = await client.post(f"/hooks/{provider}/our-{provider}", content=raw, headers=given)
            assert answer.status_code == 200, answer.text
    assert not [one for one in log.records if one.topic == DLQ]
    return [json.loads(one.value) for one in log.records]


def who(record: Mapping[str, Any]) -> set[str]:
    """The kinds by which a record knows the person."""
    return {one["kind"] for one in record["data"]["identities"]}


def once(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The one event that all records tell of: whatever counts them finds the same id, and the same data under it."""
    assert records
    assert {one["id"] for one in records} == {records[0]["id"]}
    assert [one["data"] for one in records] == [records[0]["data"]] * len(records)
    return records[0]
