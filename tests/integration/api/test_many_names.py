"""Answers about customers who have lived more than an answer can tell."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import httpx
import pytest

from schemas.readapi import LEAVES_MAX, VALUES_MAX
from services.api import customers, large_reads
from services.state import experience
from tests.support.customers import Lived, store_person, store_person_of_many_leaves
from tests.support.openapi import Contract
from tests.support.readapi import T, read_client

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
MANY = "/v1/customers/customer:many"
HOUR = timedelta(hours=1)
PARTS = ("", "/receipt")


async def answers(client: httpx.AsyncClient) -> list[httpx.Response]:
    return [await client.get(MANY + part) for part in PARTS]


@pytest.fixture
async def many(postgres_dsn: str) -> str:
    """A customer with six thousand leaves, and among them two that weigh more."""
    await store_person_of_many_leaves(postgres_dsn, customer="customer:many", leaves=6_000, at=T)
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute(
        "UPDATE tally_row SET n = 3, neg = 2000000, neg2 = 2000000, pos = 0, pos2 = 0, q = 2000000"
        " WHERE leaf IN (SELECT id FROM leaf WHERE touchpoint IN ('x.made_up_2000', 'x.made_up_4000'))"
    )
    await connection.close()
    return postgres_dsn


async def test_a_receipt_of_many_leaves_tells_the_weightiest_and_adds_up(many: str) -> None:
    async with read_client(many) as client:
        score, receipt = await answers(client)

    CONTRACT.assert_holds(receipt)
    body = receipt.json()
    assert len(body["leaves"]) == LEAVES_MAX
    assert body["others"]["leaves"] == 6_000 - LEAVES_MAX
    assert sum(leaf["events"] for leaf in body["leaves"]) + body["others"]["events"] == 6_004
    points = [leaf["points"] for leaf in body["leaves"]]
    assert body["prior"] + sum(points) + body["others"]["points"] == pytest.approx(body["score"], abs=1e-8)
    assert points == sorted(points, key=lambda each: -abs(each))
    assert {leaf["touchpoint"] for leaf in body["leaves"][:2]} == {"x.made_up_2000", "x.made_up_4000"}
    assert all(len(leaf["latest"]) == 1 for leaf in body["leaves"])
    assert body["score"] == score.json()["score"]


async def test_a_dimension_of_many_values_tells_those_most_was_seen_of(many: str) -> None:
    async with read_client(many) as client:
        answer = await client.get(MANY)

    CONTRACT.assert_holds(answer)
    body = answer.json()
    assert {name: len(cells) for name, cells in body["dimensions"].items()} == {
        "touchpoint": VALUES_MAX, "channel": VALUES_MAX, "place": VALUES_MAX,
        "stage": 1, "category": 1, "driver": 1, "control": 1,
    }  # fmt: skip
    assert body["left_out"] == {
        "touchpoint": 6_000 - VALUES_MAX, "channel": 1_000 - VALUES_MAX, "place": 5_000 - VALUES_MAX,
    }  # fmt: skip
    assert {"x.made_up_2000", "x.made_up_4000"} <= body["dimensions"]["touchpoint"].keys()
    assert list(body["dimensions"]["place"]) == sorted(body["dimensions"]["place"])


async def test_a_usual_customer_is_told_whole(postgres_dsn: str) -> None:
    await store_person(
        postgres_dsn, [Lived("customer:many", "call.taken", T, 0.5)], customer="customer:many", version=1
    )

    async with read_client(postgres_dsn) as client:
        score, receipt = await answers(client)

    assert score.json()["left_out"] == {}
    assert receipt.json()["others"] == {"leaves": 0, "points": 0.0, "events": 0}


async def test_a_large_history_is_read_to_the_same_bits(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lived = [
        Lived(
            "customer:many", "call.taken", T - n * HOUR, (-1) ** n * n / 100, place=f"store/{n % 7}", event_id=f"e{n}"
        )
        for n in range(60)
    ]
    await store_person(postgres_dsn, lived, customer="customer:many", version=1)

    async with read_client(postgres_dsn) as client:
        usual = [answer.json() for answer in await answers(client)]
        monkeypatch.setattr(large_reads, "INLINE_ROWS_MAX", 0)
        beside_the_loop = [answer.json() for answer in await answers(client)]
        monkeypatch.setattr(large_reads, "USUAL_ROWS_MAX", 59)
        in_its_turn = [answer.json() for answer in await answers(client)]

    assert usual == beside_the_loop == in_its_turn


@pytest.mark.parametrize(("room", "name"), [(customers, "TALLIES_MAX"), (experience, "NAMES_MAX")])
async def test_a_history_beyond_all_limits_is_refused_with_what_to_do(
    many: str, monkeypatch: pytest.MonkeyPatch, room: object, name: str
) -> None:
    monkeypatch.setattr(room, name, 5_999)

    async with read_client(many) as client:
        refused = await answers(client)
        journey = await client.get(f"{MANY}/journey")

    for answer in refused:
        CONTRACT.assert_holds(answer)
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:tactus:problem:history-too-large"
        assert "customer_score" in answer.json()["detail"]
    assert journey.status_code == 200
