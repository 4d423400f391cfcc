"""What pages send by our own snippet, and how they get it."""

from __future__ import annotations

import gzip
import json

import httpx
import pytest

from schemas.topics import DLQ
from services.ingest.adapters.beacon import packed_script, script
from tests.support.doors import memory_client
from tests.support.memory_log import MemoryLog
from tests.support.senders import ANONYMOUS_KEY, BROWSER_KEY, SHOP_PAGE, visit

SNIPPET_BYTES_MAX = 2048


async def send(log: MemoryLog, body: object, *, key: str = ANONYMOUS_KEY) -> httpx.Response:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with memory_client(log, Origin=SHOP_PAGE) as client:
        return await client.post(
            "/v1/beacon", params={"key": key}, content=sent, headers={"content-type": "text/plain"}
        )


def test_the_snippet_is_small() -> None:
    assert len(packed_script()) <= SNIPPET_BYTES_MAX
    assert gzip.decompress(packed_script()) == script()
    assert b"//" not in script().replace(b"://", b"")


async def test_the_snippet_is_packed_for_whoever_understands_that() -> None:
    async with memory_client(MemoryLog()) as client:
        packed = await client.get("/t.js", headers={"Accept-Encoding": "gzip, br"})
        plain = await client.get("/t.js", headers={"Accept-Encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content == script()
    assert plain.headers["content-type"].startswith("text/javascript")


async def test_a_page_s_events_are_kept_and_it_can_read_so() -> None:
    log = MemoryLog()

    answer = await send(log, [visit(1), visit(2)])

    assert answer.status_code == 202
    assert answer.headers["access-control-allow-origin"] == SHOP_PAGE
    assert [json.loads(one.value)["id"] for one in log.records] == ["visit-1", "visit-2"]


@pytest.mark.parametrize(("key", "kinds"), [(ANONYMOUS_KEY, ["anonymous"]), (BROWSER_KEY, ["customer", "anonymous"])])
async def test_a_customer_is_left_out_where_the_key_may_not_name_one(key: str, kinds: list[str]) -> None:
    log = MemoryLog()
    event = visit(1)
    identities = [{"kind": "anonymous", "value": "v-1"}, {"kind": "customer", "value": "c1"}]

    await send(log, [{**event, "data": {**event["data"], "identities": identities}}], key=key)  # type: ignore[dict-item]  # an object

    (record,) = log.records
    assert [one["kind"] for one in json.loads(record.value)["data"]["identities"]] == kinds


@pytest.mark.parametrize("body", [b"", b"{}", b"{", b"hello"])
async def test_what_is_no_list_is_refused(body: bytes) -> None:
    assert (await send(MemoryLog(), body)).status_code == 400


async def test_what_comes_too_fast_holds_the_whole_for_it_comes_again() -> None:
    bodies = [[visit(number, who="the-same") for number in range(start, start + 400)] for start in (0, 400)]
    async with memory_client(MemoryLog(), Origin=SHOP_PAGE) as client:
        answers = [await client.post("/v1/beacon", params={"key": ANONYMOUS_KEY}, json=body) for body in bodies]

    assert [answer.status_code for answer in answers] == [202, 429]


async def test_without_a_key_or_with_two_nobody_is_let_in() -> None:
    async with memory_client(MemoryLog(), Origin=SHOP_PAGE) as client:
        none = await client.post("/v1/beacon", content=b"[]")
        two = await client.post(f"/v1/beacon?key={ANONYMOUS_KEY}&key={ANONYMOUS_KEY}", content=b"[]")

    assert (none.status_code, two.status_code) == (401, 401)


async def test_a_bad_event_costs_no_other() -> None:
    log = MemoryLog()

    answer = await send(log, [visit(1), {"id": "bad"}, 7])

    assert [one["status"] for one in answer.json()["results"]] == ["accepted", "rejected", "rejected"]
    assert [one.topic == DLQ for one in log.records] == [False, True, True]
