"""What moved a customer's score, over the API: against the scores, receipts and events of both ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import fsum

import pytest

from tests.support.customers import Lived, store_person
from tests.support.openapi import Contract
from tests.support.readapi import T, read_client

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
ANNA = "customer:anna"
PATH = f"/v1/customers/{ANNA}/change"
DAY = timedelta(days=1)
LAST_DIGIT = 2e-9
PARTS = ("came", "faded", "fell_out")
LIVED = [
    Lived(ANNA, "checkout.done", T - 399 * DAY - timedelta(hours=20), -1.0, event_id="old"),
    Lived(ANNA, "checkout.done", T - 40 * DAY, 0.9, event_id="a"),
    Lived(ANNA, "parcel.delivered", T - 20 * DAY, -0.7, event_id="b", place="carrier/1"),
    Lived("device:d1", "parcel.delivered", T - 3 * DAY, -1.0, event_id="c", place="carrier/1"),
    Lived(ANNA, "case.solved", T - timedelta(hours=5), 0.5, event_id="d"),
]


@pytest.fixture
async def anna(postgres_dsn: str) -> str:
    await store_person(postgres_dsn, LIVED, customer=ANNA, version=7)
    return postgres_dsn


@pytest.mark.parametrize(("over", "began"), [("day", T - DAY), ("week", T - 7 * DAY), ("month", T - 30 * DAY)])
async def test_what_moved_a_score_adds_up_to_its_change(anna: str, over: str, began: datetime) -> None:
    async with read_client(anna) as client:
        answer = await client.get(PATH, params={"over": over})
        ends = [(await client.get(f"/v1/customers/{ANNA}", params={"at": at.isoformat()})).json() for at in (began, T)]
        receipts = [
            (await client.get(f"/v1/customers/{ANNA}/receipt", params={"at": at.isoformat()})).json()
            for at in (began, T)
        ]

    CONTRACT.assert_holds(answer)
    body = answer.json()
    assert [body[end]["score"] for end in ("before", "after")] == [end["score"] for end in ends]
    assert [body[end]["band"] for end in ("before", "after")] == [end["band"] for end in ends]
    assert body["change"] == ends[1]["change"][over]
    for part in PARTS:
        total = fsum(leaf[part] for leaf in body["leaves"]) + body["others"][part]
        assert total == pytest.approx(body["change"][part], abs=LAST_DIGIT)
    for end, receipt in zip(("before", "after"), receipts, strict=True):
        points = {leaf["touchpoint"]: leaf["points"] for leaf in receipt["leaves"]}
        told = {leaf["touchpoint"]: leaf[end] for leaf in body["leaves"] if leaf["touchpoint"] in points}
        assert told == pytest.approx(points, abs=LAST_DIGIT)


async def test_a_leaf_shows_what_came_in_the_period_and_the_events_behind_it(anna: str) -> None:
    async with read_client(anna) as client:
        body = (await client.get(PATH)).json()

    assert (body["over"], body["before"]["at"], body["after"]["at"]) == (
        "week",
        "2026-02-22T12:00:00Z",
        "2026-03-01T12:00:00Z",
    )
    leaves = {leaf["touchpoint"]: leaf for leaf in body["leaves"]}
    parcel, checkout, case = (leaves[name] for name in ("parcel.delivered", "checkout.done", "case.solved"))
    assert body["leaves"][0] == parcel
    assert [event["id"] for event in parcel["latest"]] == ["c", "b"]
    assert (parcel["events"], parcel["events_before"]) == (1, 1)
    assert parcel["came"] < -5 < 0 < parcel["faded"]
    assert [event["id"] for event in checkout["latest"]] == ["a", "old"]
    assert (checkout["events"], checkout["events_before"], checkout["came"]) == (0, 2, 0)
    assert (case["events"], case["events_before"], case["faded"], case["before"]) == (1, 0, 0, 0)
    assert case["came"] > 0


async def test_what_became_too_old_to_count_falls_out(anna: str) -> None:
    async with read_client(anna, now=T + DAY) as client:
        body = (await client.get(PATH, params={"over": "day"})).json()

    (checkout,) = (leaf for leaf in body["leaves"] if leaf["touchpoint"] == "checkout.done")
    assert checkout["fell_out"] > 0
    assert body["change"]["fell_out"] == checkout["fell_out"]
    assert "old" in [event["id"] for event in checkout["latest"]]


async def test_a_change_before_anything_was_is_none(anna: str) -> None:
    async with read_client(anna) as client:
        answer = await client.get(PATH, params={"at": "0001-01-01T00:00:00Z", "over": "month"})

    CONTRACT.assert_holds(answer)
    body = answer.json()
    assert (body["leaves"], body["change"]["points"]) == ([], 0)
    assert body["before"]["at"] == body["after"]["at"]


async def test_leaves_beyond_a_hundred_are_told_as_one(postgres_dsn: str) -> None:
    many = [
        Lived(ANNA, "call.taken", T - timedelta(hours=n), -0.03, place=f"store/{n}", event_id=f"c{n}")
        for n in range(130)
    ]
    await store_person(postgres_dsn, many, customer=ANNA, version=1)

    async with read_client(postgres_dsn) as client:
        body = (await client.get(PATH, params={"over": "day"})).json()

    assert len(body["leaves"]) == 100
    assert body["others"]["leaves"] == 30
    assert body["others"]["events"] + sum(leaf["events"] for leaf in body["leaves"]) == 24
    for part in PARTS:
        total = fsum(leaf[part] for leaf in body["leaves"]) + body["others"][part]
        assert total == pytest.approx(body["change"][part], abs=LAST_DIGIT)


@pytest.mark.parametrize("query", ["over=year", "over=", "over=Week", "over=day&over=day", "at=yesterday", "limit=3"])
async def test_a_period_that_is_none_is_refused_with_what_to_send(anna: str, query: str) -> None:
    async with read_client(anna) as client:
        answer = await client.get(f"{PATH}?{query}")

    CONTRACT.assert_holds(answer)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:tactus:problem:bad-parameter")
    assert answer.json()["detail"]
