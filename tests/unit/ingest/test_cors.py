"""Pages of other origins may read every answer, if some key is meant for them."""

from __future__ import annotations

import httpx
import pytest
from pydantic import ValidationError

from services.infra.sources import Source, Sources
from tests.support.doors import memory_client
from tests.support.memory_log import MemoryLog
from tests.support.senders import BROWSER_KEY, SERVER_KEY, digest, event

SHOP = "https://shop.example"
SITE = Source(name="site", kind="browser", keys_sha256=(digest(BROWSER_KEY),), identity="claimed", origins=(SHOP,))
VISITED = {"touchpoint": "web.page_viewed", "channel": "web", "identities": [{"kind": "anonymous", "value": "a1"}]}
VISIT = {"id": "e1", "data": VISITED}
SERVER = Source(name="shop", kind="server", keys_sha256=(digest(SERVER_KEY),))
ASKING = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


def page(origin: str, *sources: Source, log: MemoryLog | None = None) -> httpx.AsyncClient:
    known = Sources(sources=sources or (SITE, SERVER))
    return memory_client(log or MemoryLog(), sources=known, Origin=origin, Authorization=f"Bearer {BROWSER_KEY}")


def readable(answer: httpx.Response) -> bool:
    assert "Origin" in answer.headers["vary"]
    allowed = answer.headers.get("access-control-allow-origin")
    return bool(allowed == answer.request.headers["origin"])


async def test_a_page_may_ask_first_and_then_send() -> None:
    async with page(SHOP) as client:
        asked = await client.options("/v1/events", headers=ASKING)
        sent = await client.post("/v1/events", json=event("e1"))

    assert (asked.status_code, sent.status_code) == (204, 202)
    assert readable(asked)
    assert readable(sent)
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "authorization" in asked.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    ("asks", "gets"),
    [
        ("authorization,x-retry-count", "authorization,x-retry-count"),
        ("baggage, traceparent", "baggage, traceparent"),
        ("x\x0by", "authorization, content-type"),
        (",".join(["x-a"] * 33), "authorization, content-type"),
        ("x" * 65, "authorization, content-type"),
    ],
)
async def test_a_page_may_send_the_headers_that_it_asks_for_and_nothing_odd_is_repeated(asks: str, gets: str) -> None:
    async with page(SHOP) as client:
        asked = await client.options("/v1/events", headers={**ASKING, "Access-Control-Request-Headers": asks})

    assert asked.headers["access-control-allow-headers"] == gets


async def test_refusals_and_outages_can_be_read_with_when_to_try_again() -> None:
    log = MemoryLog()
    async with page(SHOP, log=log) as client:
        answers = [
            await client.post("/v1/events", json={"id": "e1"}),
            await client.post("/v1/events", content=b"{"),
            await client.post("/v1/events", json=event("e1"), headers={"Authorization": "Bearer no"}),
            await client.get("/v1/events"),
            await client.post("/v1/nothing"),
        ]
        log.leave()
        answers.append(await client.post("/v1/events", json=event("e1")))

    assert [answer.status_code for answer in answers] == [422, 415, 401, 405, 404, 503]
    assert all(map(readable, answers))
    assert answers[-1].headers["access-control-expose-headers"] == "Retry-After"
    assert int(answers[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://shop.example", f"{SHOP}:8443"])
async def test_a_page_of_another_origin_can_use_no_key_and_read_nothing(origin: str) -> None:
    async with page(origin) as client:
        asked = await client.options("/v1/events", headers=ASKING)
        sent = await client.post("/v1/events", json=event("e1"))

    assert sent.status_code == 403
    assert sent.json()["type"] == "urn:tactus:problem:forbidden"
    assert not readable(asked)
    assert not readable(sent)
    assert "access-control-allow-methods" not in asked.headers


async def test_without_a_list_pages_of_every_known_origin_are_served() -> None:
    anywhere = Source(name="site", kind="browser", keys_sha256=(digest(BROWSER_KEY),))
    async with page("https://a.example", anywhere) as client:
        sent = await client.post("/v1/events", json=VISIT)
    async with page("null", anywhere) as client:
        opaque = await client.post("/v1/events", json=VISIT)

    assert sent.status_code == 202
    assert readable(sent)
    assert opaque.status_code == 403


async def test_a_servers_key_is_no_reason_to_let_pages_in() -> None:
    async with page(SHOP, SERVER) as client:
        asked = await client.options("/v1/events", headers=ASKING)
        sent = await client.post("/v1/events", json=event("e1"), headers={"Authorization": f"Bearer {SERVER_KEY}"})

    assert not readable(asked)
    assert not readable(sent)
    assert sent.status_code == 202


async def test_who_is_no_page_notices_nothing() -> None:
    async with page(SHOP) as client:
        del client.headers["origin"]
        sent = await client.post("/v1/events", json=VISIT)

    assert sent.status_code == 202
    assert "vary" not in sent.headers


async def test_a_claiming_key_is_believed_only_on_the_pages_that_it_names() -> None:
    async with page(SHOP) as client:
        on_its_page = await client.post("/v1/events", json=event("e1"))
        del client.headers["origin"]
        off_page = await client.post("/v1/events", json=event("e2"))

    assert on_its_page.status_code == 202
    assert off_page.status_code == 422
    assert [result["reason"] for result in off_page.json()["results"]] == ["not-allowed"]


@pytest.mark.parametrize("origin", ["shop.example", "https://shop.example/", "https://*.example", ""])
def test_what_is_no_origin_is_refused_in_the_sources(origin: str) -> None:
    with pytest.raises(ValidationError, match="origins"):
        Source(name="site", kind="browser", keys_sha256=(), origins=(origin,))
