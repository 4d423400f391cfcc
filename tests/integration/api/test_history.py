"""A score day by day, over the API: what is read at each of the moments, and not one more question to the database."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from schemas.changeapi import PERIODS as TOLD_PERIODS
from schemas.historyapi import DAYS_MAX
from schemas.historyapi import DIMENSIONS as TOLD_DIMENSIONS
from services.core.change import PERIODS
from services.core.dimensions import DIMENSIONS
from tests.support.customers import Lived, store_person
from tests.support.openapi import Contract
from tests.support.readapi import T, read_client

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
ANNA = "customer:anna"
WHO = f"/v1/customers/{ANNA}"
PATH = f"{WHO}/history"
DAY = timedelta(days=1)


@pytest.fixture
async def anna(postgres_dsn: str) -> str:
    dice = random.Random(5)
    lived = [
        Lived(
            dice.choice((ANNA, "device:d1")),
            dice.choice(("checkout.done", "parcel.delivered", "call.taken", "survey.answered")),
            T - dice.randrange(500 * 24) * timedelta(hours=1) - timedelta(minutes=7),
            dice.choice((-1.0, -0.6, 0.3, 0.9)),
            channel=dice.choice(("web", "pos")),
            event_id=f"e{number}",
        )
        for number in range(150)
    ]
    await store_person(postgres_dsn, lived, customer=ANNA, version=7)
    return postgres_dsn


@pytest.mark.parametrize("dimension", [*DIMENSIONS, None])
async def test_each_point_is_the_score_that_is_read_at_its_moment(anna: str, dimension: str | None) -> None:
    async with read_client(anna) as client:
        asked = {"from": (T - 300 * DAY).isoformat(), **({"dimension": dimension} if dimension else {})}
        answer = await client.get(PATH, params=asked)
        body = answer.json()
        places = [*range(0, 301, 37), 300]
        singles = [(await client.get(WHO, params={"at": body["points"][place]["at"]})).json() for place in places]

    CONTRACT.assert_holds(answer)
    assert (len(body["points"]), body["dimension"], body["left_out"]) == (301, dimension, 0)
    assert body["points"][-1]["at"] == "2026-03-01T12:00:00Z"
    for place, single in zip(places, singles, strict=True):
        point = body["points"][place]
        assert {name: point[name] for name in ("score", "confidence", "se", "band", "at")} == {
            name: single[name] for name in ("score", "confidence", "se", "band", "at")
        }
        for value, cell in (single["dimensions"][dimension] if dimension else {}).items():
            column = body["values"][value]
            assert {name: column[name][place] for name in ("score", "confidence")} == cell


async def test_without_days_a_year_is_told_that_ends_at_present(anna: str) -> None:
    async with read_client(anna) as client:
        answer = await client.get(PATH)
        score = (await client.get(WHO)).json()

    CONTRACT.assert_holds(answer)
    points = answer.json()["points"]
    assert (len(points), points[0]["at"]) == (365, "2025-03-02T12:00:00Z")
    assert points[-1]["score"] == score["score"]
    assert answer.headers["etag"] == '"7"'


async def test_of_many_values_twenty_are_told(postgres_dsn: str) -> None:
    many = [
        Lived(ANNA, "call.taken", T - DAY, -0.5, q=1 + (n % 2), place=f"store/{n}", event_id=f"c{n}") for n in range(31)
    ]
    await store_person(postgres_dsn, many, customer=ANNA, version=1)

    async with read_client(postgres_dsn) as client:
        body = (await client.get(PATH, params={"dimension": "place"})).json()

    assert (len(body["values"]), body["left_out"]) == (20, 11)
    assert {f"store/{n}" for n in range(1, 31, 2)} < body["values"].keys()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=yesterday", "from"),
        ("to=2026-03-01", "to"),
        (f"from={(T + DAY).isoformat().replace('+', '%2B')}", "from"),
        (f"from={(T - DAYS_MAX * DAY).isoformat().replace('+', '%2B')}", "from"),
        ("dimension=mood", "dimension"),
        ("at=2026-03-01T12:00:00Z", "known here"),
    ],
)
async def test_days_that_cannot_be_told_are_refused_with_what_to_send(anna: str, query: str, field: str) -> None:
    async with read_client(anna) as client:
        answer = await client.get(f"{PATH}?{query}")

    CONTRACT.assert_holds(answer)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:tactus:problem:bad-parameter")
    assert field in answer.json()["detail"]


async def test_a_history_of_nobody_is_a_problem(anna: str) -> None:
    async with read_client(anna) as client:
        answer = await client.get("/v1/customers/customer:nobody/history")

    CONTRACT.assert_holds(answer)
    assert answer.status_code == 404


def test_the_contract_names_the_periods_and_the_dimensions_that_there_are() -> None:
    assert tuple(PERIODS) == TOLD_PERIODS
    assert tuple(DIMENSIONS) == TOLD_DIMENSIONS
