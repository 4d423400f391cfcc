"""A system of any kind, spoken to over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.outbound.crm.configuration import ConnectorTable
from tests.support.crm import Played, body_of, connector_table, people, store_people

pytestmark = pytest.mark.integration

KEY = "the-key-of-the-shop"


@dataclass
class Shop:
    """A system with one record an address."""

    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    refusals: list[httpx.Response] = field(default_factory=list)
    asked: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.headers["authorization"] != f"Token {KEY}":
            return httpx.Response(401, text="who are you?")
        if self.refusals:
            return self.refusals.pop(0)
        person = self.people.get(request.url.path.removeprefix("/api/people/"))
        if person is None:
            return httpx.Response(404)
        if request.method == "PATCH":
            person |= body_of(request)["properties"]
        return httpx.Response(200, json={"properties": person})


@pytest.fixture
async def shop(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[tuple[Shop, Played]]:
    (tmp_path / "secret").write_text(KEY)
    shop = Shop()
    async with httpx.AsyncClient(transport=httpx.MockTransport(shop)) as client:
        played = Played(postgres_dsn, table=http_table(tmp_path / "secret"))
        played.speak(client)
        yield shop, played
        await played.close()


def http_table(secret: Path) -> ConnectorTable:
    return connector_table(
        system="http",
        url="https://shop.test/api",
        secret_file=secret,
        http={
            "path": "/people/{key}",
            "authorization": "Token {secret}",
            "body": {"properties": "{fields}", "source": "tactus"},
            "read_within": "properties",
        },
    )


async def test_a_record_is_written_at_its_address_and_none_is_made(shop: tuple[Shop, Played]) -> None:
    system, played = shop
    await store_people(played.dsn, people(2))
    system.people["c0000"] = {"name": "C"}

    await played.settle()

    assert set(system.people) == {"c0000"}
    assert system.people["c0000"]["name"] == "C"
    assert system.people["c0000"]["t_band"]
    rows = await played.fetch("SELECT key, state, words FROM crm_record ORDER BY key")
    assert [(row["key"], row["state"]) for row in rows] == [("c0000", "sent"), ("c0001", "absent")]
    assert rows[0]["words"] == "status 200"


async def test_what_a_system_holds_is_read_back(shop: tuple[Shop, Played]) -> None:
    system, played = shop
    await store_people(played.dsn, people(1))
    system.people["c0000"] = {"name": "C"}
    await played.settle()

    assert await played.connector.read(["c0000", "nobody"]) == {"c0000": system.people["c0000"]}


@pytest.mark.parametrize(
    ("refusal", "wait_s"),
    [
        (httpx.Response(429, headers={"Retry-After": "40"}), 40),
        (httpx.Response(429, headers={"Retry-After": "Sun, 01 Mar 2026 12:01:30 GMT"}), 90),
        (httpx.Response(503, headers={"Retry-After": "7"}), 7),
    ],
)
async def test_e_the_system_says_how_long_to_wait(
    shop: tuple[Shop, Played], refusal: httpx.Response, wait_s: int
) -> None:
    system, played = shop
    await store_people(played.dsn, people(1))
    system.people["c0000"] = {}
    system.refusals = [refusal]

    await played.sync.round()
    [standing] = await played.fetch("SELECT paused_until FROM crm_connector")
    paused_s = (standing["paused_until"] - played.clock.at).total_seconds()
    await played.later(seconds=wait_s)

    assert paused_s == pytest.approx(wait_s, abs=0.01)
    assert system.people["c0000"]["t_band"]
    [calls] = await played.fetch("SELECT sum(calls) AS calls FROM crm_call")
    assert calls["calls"] == len(system.asked) == 2


async def test_a_400_is_the_record_s_own_and_keeps_the_system_s_words(shop: tuple[Shop, Played]) -> None:
    system, played = shop
    await store_people(played.dsn, people(2))
    system.people = {"c0000": {}, "c0001": {}}
    system.refusals = [httpx.Response(400, text="no field t_score")]

    await played.settle()

    rows = await played.fetch("SELECT state, words FROM crm_record ORDER BY key")
    assert [(row["state"], row["words"]) for row in rows] == [("failed", "no field t_score"), ("sent", "status 200")]


async def test_a_secret_that_an_operator_changes_is_taken_at_the_next_call(
    shop: tuple[Shop, Played], tmp_path: Path
) -> None:
    system, played = shop
    await store_people(played.dsn, people(1))
    system.people["c0000"] = {}
    (tmp_path / "secret").write_text("of yesterday")
    await played.settle()

    (tmp_path / "secret").write_text(KEY)
    await played.later(minutes=6)

    assert system.people["c0000"]["t_band"]


async def test_a_redirect_is_not_followed(shop: tuple[Shop, Played]) -> None:
    system, played = shop
    await store_people(played.dsn, people(1))
    system.people["c0000"] = {}
    system.refusals = [httpx.Response(302, headers={"Location": "https://elsewhere.test/"})]

    await played.settle()

    assert {request.url.host for request in system.asked} == {"shop.test"}
    [row] = await played.fetch("SELECT state FROM crm_record")
    assert row["state"] == "failed"
