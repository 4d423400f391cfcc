"""The door for events answers as its OpenAPI document says."""

from __future__ import annotations

import gzip
import json

import httpx
import pytest

from schemas import limits
from tests.support.doors import memory_client
from tests.support.memory_log import MemoryLog
from tests.support.openapi import Contract
from tests.support.senders import SERVER_KEY, event

CONTRACT = Contract("openapi-ingest.json")
JSON = {"Content-Type": "application/json"}
BINARY = {
    **JSON,
    "ce-specversion": "1.0",
    "ce-id": "e1",
    "ce-source": "till",
    "ce-type": "tactus.touchpoint.v1",
    "ce-subject": "customer:c1",
}


def client_of(log: MemoryLog) -> httpx.AsyncClient:
    return memory_client(log, Authorization=f"Bearer {SERVER_KEY}")


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (202, encoded(event("e1")), JSON),
        (202, encoded([event("e1"), {"id": 1}]), JSON),
        (202, encoded(event("e1")["data"]), BINARY),
        (202, gzip.compress(encoded(event("e1"))), {**JSON, "Content-Encoding": "gzip"}),
        (202, encoded(event("e1")), {"Content-Type": "application/cloudevents+json"}),
        (202, encoded([event("e1")]), {"Content-Type": "application/cloudevents-batch+json"}),
        (400, b"{", JSON),
        (400, b"{}", {**BINARY, "ce-id": "%FF"}),
        (400, b"no gzip", {**JSON, "Content-Encoding": "gzip"}),
        (401, encoded(event("e1")), {**JSON, "Authorization": "Bearer wrong"}),
        (413, b" " * (limits.BODY_BYTES_MAX + 1), JSON),
        (413, encoded([event("e1")] * (limits.EVENTS_MAX + 1)), JSON),
        (413, encoded({**event("e1"), "x": "a" * limits.EVENT_BYTES_MAX}), JSON),
        (415, encoded(event("e1")), {"Content-Type": "text/csv"}),
        (422, encoded({"id": "e1"}), JSON),
        (422, encoded([{"id": "e1"}, 1]), JSON),
        (431, encoded(event("e1")), {**JSON, "X-Large": "a" * 20_000}),
    ],
)
async def test_every_answer_is_one_that_the_document_promises(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    async with client_of(MemoryLog()) as client:
        response = await client.post("/v1/events", content=body, headers=headers)

    assert response.status_code == status
    CONTRACT.assert_holds(response)


async def test_an_absent_log_and_a_wrong_method_are_answered_as_promised() -> None:
    log = MemoryLog()
    log.leave()
    async with client_of(log) as client:
        away = await client.post("/v1/events", content=encoded(event("e1")), headers=JSON)
        unready = await client.get("/readyz")
        method = await client.get("/v1/events")
        alive = await client.get("/livez")

    assert [response.status_code for response in (away, unready, method, alive)] == [503, 503, 405, 200]
    for response in (away, unready, method, alive):
        CONTRACT.assert_holds(response)


def test_the_document_names_the_limits_that_hold() -> None:
    described = CONTRACT.document["paths"]["/v1/events"]["post"]["requestBody"]["description"]

    for limit in (
        f"{limits.BODY_BYTES_MAX // 2**20} MiB, plain",
        f"{limits.INFLATED_BYTES_MAX // 2**20} MiB inflated",
        f"{limits.EVENTS_MAX} events",
        f"{limits.EVENT_BYTES_MAX // 2**10} KiB an event",
        f"JSON {limits.DEPTH_MAX} deep",
    ):
        assert limit in described
