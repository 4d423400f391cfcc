"""Webhooks over the API: made, shown without what signs, changed, rotated, looked at, sent again, removed."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from schemas.webhooksapi import ENDPOINTS_MAX
from services.state.roles import READER
from tests.support.databases import as_role
from tests.support.openapi import Contract
from tests.support.readapi import KEY, WEBHOOKS_KEY, read_client
from tests.support.receivers import Names

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
WEBHOOKS = "/v1/webhooks"
URL = "https://hooks.example/tactus"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def api(postgres_dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    names = Names(hooks_example=[["8.8.8.8"]], inside_example=[["8.8.8.8", "10.0.0.7"]], localhost=[["127.0.0.1"]])
    async with read_client(postgres_dsn, resolver=names) as client:
        client.headers["Authorization"] = f"Bearer {WEBHOOKS_KEY}"
        yield client


async def asked(api: httpx.AsyncClient, method: str, path: str = "", *, status: int = 200, **told: Any) -> Any:  # noqa: ANN401 - JSON
    """Ask, hold the answer against the contract, and return it."""
    answer = await api.request(method, f"{WEBHOOKS}{path}", **told)
    assert answer.status_code == status, answer.text
    CONTRACT.assert_holds(answer)
    return answer.json() if answer.content else None


async def made(api: httpx.AsyncClient, **told: object) -> dict[str, Any]:
    answer: dict[str, Any] = await asked(api, "POST", status=201, json={"url": URL, **told})
    return answer


async def rows(dsn: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


async def test_a_webhook_is_made_with_a_secret_that_is_shown_once(api: httpx.AsyncClient, postgres_dsn: str) -> None:
    new = await made(api, description="our CRM", kinds=["alert.opened"], severities=["critical"])
    shown = await asked(api, "GET", f"/{new['id']}")
    listed = await asked(api, "GET")

    assert len(base64.b64decode(new["secret"].removeprefix("whsec_"))) == 32
    assert listed["webhooks"] == [{name: value for name, value in new.items() if name != "secret"}]
    assert [change["what"] for change in shown["changes"]] == ["made"]
    assert shown["changes"][0]["by"] == "olga"
    assert shown["state"] == "enabled"
    assert new["secret"] not in str(shown)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await rows(as_role(postgres_dsn, READER), "SELECT secret FROM webhook_secret")


@pytest.mark.parametrize(
    "url",
    [
        "https://inside.example/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://localhost./",
        "https://a@hooks.example/",
        "https://hooks.example:22/",
        "http://hooks.example/",
    ],
)
async def test_a_webhook_that_leads_inside_is_refused_when_it_is_made_and_when_it_is_changed(
    api: httpx.AsyncClient, url: str
) -> None:
    new = await made(api)

    refused = await asked(api, "POST", status=422, json={"url": url})
    kept = await asked(api, "PATCH", f"/{new['id']}", status=422, json={"url": url})

    assert refused["type"] == kept["type"] == "urn:tactus:problem:url-not-allowed"
    assert [one["url"] for one in (await asked(api, "GET"))["webhooks"]] == [URL]


@pytest.mark.parametrize(
    "url", ["ftp://hooks.example/", "file:///etc/passwd", "//hooks.example", "https://" + "a" * 2048, 7]
)
async def test_what_is_no_url_of_the_web_does_not_fit(api: httpx.AsyncClient, url: object) -> None:
    refused = await asked(api, "POST", status=422, json={"url": url})

    assert [fault["field"] for fault in refused["faults"]] == ["url"]


async def test_a_name_that_has_no_address_yet_is_taken(api: httpx.AsyncClient) -> None:
    assert (await made(api, url="https://soon.example/"))["url"] == "https://soon.example/"


async def test_a_change_leaves_the_rest_and_enabling_begins_anew(api: httpx.AsyncClient, postgres_dsn: str) -> None:
    new = await made(api, kinds=["alert.opened"], description="crm")
    await rows(
        postgres_dsn,
        "UPDATE webhook_endpoint SET state = 'disabled', reason = 'failing', failures = 9, failing_since = now()",
    )

    changed = await asked(api, "PATCH", f"/{new['id']}", json={"bands": ["critical"]})
    enabled = await asked(api, "PATCH", f"/{new['id']}", json={"state": "enabled"})

    assert (changed["bands"], changed["kinds"], changed["state"]) == (["critical"], ["alert.opened"], "disabled")
    assert (enabled["state"], enabled["reason"], enabled["failures"], enabled["failing_since"]) == (
        "enabled",
        "",
        0,
        None,
    )
    assert [change["what"] for change in enabled["changes"]] == ["enabled", "changed", "made"]


async def test_the_former_secret_signs_for_a_day_after_a_rotation(api: httpx.AsyncClient, postgres_dsn: str) -> None:
    new = await made(api)

    rotated = await asked(api, "POST", f"/{new['id']}/secret")

    secrets = await rows(postgres_dsn, "SELECT secret, expires_at FROM webhook_secret ORDER BY id")
    assert [row["secret"] for row in secrets] == [new["secret"], rotated["secret"]]
    assert rotated["former_until"] == "2026-03-02T12:00:00Z"
    assert secrets[1]["expires_at"] is None


async def test_a_test_message_waits_and_is_listed_shown_and_sent_again(
    api: httpx.AsyncClient, postgres_dsn: str
) -> None:
    new = await made(api)
    queued = [(await asked(api, "POST", f"/{new['id']}/test"))["delivery"] for _ in range(3)]
    await rows(postgres_dsn, "UPDATE webhook_delivery SET state = 'failed', attempts = 10 WHERE id = $1", queued[1])

    page = await asked(api, "GET", f"/{new['id']}/deliveries?limit=2")
    rest = await asked(api, "GET", f"/{new['id']}/deliveries?limit=2&cursor={page['next']}")
    failed = await asked(api, "GET", f"/{new['id']}/deliveries?state=failed")
    await asked(api, "POST", f"/{new['id']}/deliveries/{queued[1]}/replay")
    whole = await asked(api, "GET", f"/{new['id']}/deliveries/{queued[1]}")

    assert [one["id"] for one in page["deliveries"] + rest["deliveries"]] == queued[::-1]
    assert [one["id"] for one in failed["deliveries"]] == [queued[1]]
    assert (whole["state"], whole["attempts"]) == ("waiting", 0)
    assert whole["message"] == failed["deliveries"][0]["message"]
    assert '"type":"webhook.test"' in whole["body"]


async def test_a_score_that_a_later_one_took_the_place_of_is_not_sent_again(
    api: httpx.AsyncClient, postgres_dsn: str
) -> None:
    new = await made(api)
    queued = (await asked(api, "POST", f"/{new['id']}/test"))["delivery"]
    await rows(postgres_dsn, "UPDATE webhook_delivery SET state = 'superseded'")

    refused = await asked(api, "POST", f"/{new['id']}/deliveries/{queued}/replay", status=409)

    assert refused["type"] == "urn:tactus:problem:delivery-superseded"


async def test_a_webhook_that_is_removed_takes_all_with_it_but_the_record_of_who_did(
    api: httpx.AsyncClient, postgres_dsn: str
) -> None:
    new = await made(api)
    await asked(api, "POST", f"/{new['id']}/test")

    await asked(api, "DELETE", f"/{new['id']}", status=204)

    assert (await asked(api, "GET"))["webhooks"] == []
    assert await rows(postgres_dsn, "SELECT FROM webhook_delivery") == []
    assert await rows(postgres_dsn, "SELECT FROM webhook_secret") == []
    assert [row["what"] for row in await rows(postgres_dsn, "SELECT what FROM webhook_change ORDER BY id")] == [
        "made",
        "removed",
    ]


async def test_what_is_not_there_is_not_found(api: httpx.AsyncClient) -> None:
    new = await made(api)

    for path in (f"/{NOBODY}", "/nonsense", f"/{NOBODY}/deliveries"):
        assert (await asked(api, "GET", path, status=404))["type"] == "urn:tactus:problem:unknown-webhook"
    await asked(api, "GET", f"/{new['id']}/deliveries/1", status=404)
    await asked(api, "POST", f"/{new['id']}/deliveries/1/replay", status=404)
    await asked(api, "DELETE", f"/{NOBODY}", status=404)


async def test_there_is_a_bound_on_webhooks(api: httpx.AsyncClient, postgres_dsn: str) -> None:
    await rows(
        postgres_dsn,
        """INSERT INTO webhook_endpoint (id, url, description, kinds, bands, severities, state, made_at)
            SELECT gen_random_uuid(), 'https://x', '', '{}', '{}', '{}', 'enabled', now()
            FROM generate_series(1, $1)""",
        ENDPOINTS_MAX,
    )

    await asked(api, "POST", status=409, json={"url": URL})


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", ""), ("PATCH", f"/{NOBODY}"), ("DELETE", f"/{NOBODY}"), ("POST", f"/{NOBODY}/secret")],
)
async def test_only_a_key_for_webhooks_opens_them(api: httpx.AsyncClient, method: str, path: str) -> None:
    api.headers["Authorization"] = f"Bearer {KEY}"

    await asked(api, method, path, status=403)


async def test_parameters_that_nobody_knows_are_refused(api: httpx.AsyncClient) -> None:
    new = await made(api)

    for query in ("?state=gone", "?limit=0", "?limit=1000", "?cursor=x", "?more=1"):
        await asked(api, "GET", f"/{new['id']}/deliveries{query}", status=400)
    await asked(api, "GET", "?limit=1", status=400)
