"""Answers about everybody: what lost points, where, with which trend, and as people's own scores say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from schemas.censusapi import CHOICES
from services.core.catalogue import CONTROLS, DRIVERS, STAGES, UNKNOWN
from tests.support.censuses import take_census
from tests.support.customers import Lived, store_person
from tests.support.openapi import Contract
from tests.support.readapi import BEARER, OTHER_KEY, T, example_catalogue, read_client

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")

PATHS = ("/v1/drivers", "/v1/touchpoints", "/v1/journey", "/v1/places")

PEOPLE = {
    "customer:c1": [
        Lived("customer:c1", "checkout.done", T - timedelta(days=9), 0.4, place="store/1"),
        Lived("customer:c1", "parcel.delivered", T - timedelta(days=2), -0.7, place="carrier/north"),
        Lived("customer:c1", "parcel.delivered", T - timedelta(days=40), -0.9, place="carrier/north"),
    ],
    "customer:c2": [
        Lived("customer:c2", "parcel.delivered", T - timedelta(days=3), -1.0, place="carrier/north", channel="app"),
        Lived("customer:c2", "call.taken", T - timedelta(days=3), 0.5),
        Lived("customer:c2", "x.own", T - timedelta(hours=2), -0.5),
    ],
    "customer:c3": [Lived("customer:c3", "parcel.delivered", T - timedelta(days=5), 0.0, place="carrier/south")],
    "customer:c4": [Lived("customer:c4", "checkout.done", T - timedelta(days=90), -1.0, place="store/9")],
}


@pytest.fixture
async def client(postgres_dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    for version, (customer, lived) in enumerate(PEOPLE.items(), start=1):
        events = [one._replace(event_id=f"{customer}-{place}") for place, one in enumerate(lived)]
        await store_person(postgres_dsn, events, customer=customer, version=version)
    await take_census(postgres_dsn, example_catalogue(), at=T)
    async with read_client(postgres_dsn) as opened:
        yield opened


async def told(client: httpx.AsyncClient, path: str, **headers: str) -> dict[str, Any]:
    answer = await client.get(path, headers=headers)
    CONTRACT.assert_holds(answer)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_touchpoints_are_ranked_by_what_they_took_from_everybody(client: httpx.AsyncClient) -> None:
    answer = await told(client, "/v1/touchpoints")

    assert [one["touchpoint"] for one in answer["touchpoints"]] == [
        "parcel.delivered",
        "x.own",
        "call.taken",
        "checkout.done",
    ]
    parcels = answer["touchpoints"][0]
    assert (parcels["stage"], parcels["driver"], parcels["control"]) == ("fulfilment", "quality", "owned")
    assert (parcels["period"]["customers"], parcels["period"]["events"], parcels["before"]["customers"]) == (3, 3, 1)
    assert parcels["trend"] == pytest.approx(parcels["period"]["points_lost"] - parcels["before"]["points_lost"])
    assert answer["touchpoints"][1]["stage"] == "unknown"
    assert (answer["persons"], answer["days"], answer["at"]) == (4, 30, "2026-03-01T12:00:00Z")


async def test_points_lost_and_won_are_those_of_peoples_own_scores(client: httpx.AsyncClient) -> None:
    scores = [(await client.get(f"/v1/customers/{customer}")).json()["windows"]["30d"]["score"] for customer in PEOPLE]

    answers = [await told(client, path) for path in PATHS]

    for answer in answers:
        whole = answer["everything"]["period"]
        assert whole["points_won"] - whole["points_lost"] == pytest.approx(sum(scores) - 200, abs=1e-4)
    drivers, touchpoints, cells, _ = answers
    for lines in (drivers["drivers"], drivers["controls"], touchpoints["touchpoints"], cells["cells"]):
        lost = sum(one["period"]["points_lost"] for one in lines)
        assert lost == pytest.approx(drivers["everything"]["period"]["points_lost"], abs=1e-9)


async def test_the_score_of_a_driver_is_the_mean_of_those_it_touched(client: httpx.AsyncClient) -> None:
    answer = await told(client, "/v1/drivers")

    by_driver = {one["driver"]: one for one in answer["drivers"]}
    quality = by_driver["quality"]["period"]
    # κ = 3, p = ½: c1 has .7 at ω 2 and .4 at ω 1, c2 has 1 at ω 2 and .5 at ω 1, c3 a neutral one.
    c1 = 100 * (1.5 + 0.28) / (3 + 0.28 + 2 * 2 * (0.35 + 0.245))
    c2 = 100 * (1.5 + 0.375) / (3 + 0.375 + 2 * 2 * 1)
    assert quality["score"] == pytest.approx((c1 + c2 + 50) / 3, abs=1e-6)
    assert quality["customers"] == 3
    assert by_driver["unknown"]["period"]["customers"] == 1


async def test_a_place_has_only_what_happened_there(client: httpx.AsyncClient) -> None:
    everywhere = await told(client, "/v1/touchpoints")
    north = await told(client, "/v1/touchpoints?place=carrier/north")
    cells = await told(client, "/v1/journey?place=carrier%2Fnorth")

    [parcels] = north["touchpoints"]
    assert north["place"] == "carrier/north"
    assert (parcels["period"]["customers"], parcels["period"]["events"]) == (2, 2)
    assert parcels["period"]["points_lost"] == everywhere["touchpoints"][0]["period"]["points_lost"]
    assert [(cell["stage"], cell["channel"]) for cell in cells["cells"]] == [
        ("fulfilment", "app"),
        ("fulfilment", "web"),
    ]


async def test_places_are_ranked_and_chosen_by_kind(client: httpx.AsyncClient) -> None:
    every, carriers = await told(client, "/v1/places"), await told(client, "/v1/places?kind=carrier&limit=1")

    assert [one["place"] for one in every["places"]] == ["carrier/north", "carrier/south", "store/1"]
    assert [one["place"] for one in carriers["places"]] == ["carrier/north"]
    assert (every["more"], carriers["more"]) == (False, True)
    assert every["places"][1]["period"]["customers"] == 1


async def test_stages_come_in_the_order_of_the_journey(client: httpx.AsyncClient) -> None:
    answer, one = await told(client, "/v1/journey"), await told(client, "/v1/journey?stage=support")

    stages = [cell["stage"] for cell in answer["cells"]]
    assert stages == ["purchase", "fulfilment", "fulfilment", "support", "unknown"]
    assert [cell["stage"] for cell in one["cells"]] == ["support"]


async def test_touchpoints_are_chosen_by_what_they_are(client: httpx.AsyncClient) -> None:
    support = await told(client, "/v1/touchpoints?stage=support&control=owned")
    few = await told(client, "/v1/touchpoints?limit=1")

    assert [one["touchpoint"] for one in support["touchpoints"]] == ["call.taken"]
    assert (few["left_out"], len(few["touchpoints"])) == (3, 1)


async def test_labels_come_in_the_language_that_is_asked_for(client: httpx.AsyncClient) -> None:
    english, polish = [
        await told(client, "/v1/drivers", **{"Accept-Language": language}) for language in ("en", "pl-PL")
    ]

    assert english["drivers"][0]["label"] != polish["drivers"][0]["label"]


@pytest.mark.parametrize(
    ("path", "field", "reason"),
    [
        ("/v1/touchpoints?stage=suport", "stage", "did you mean support?"),
        ("/v1/touchpoints?control=ours", "control", "must be one of owned, partner, third_party, unknown"),
        ("/v1/drivers?place=nowhere", "place", "must be kind/value as events write it, such as store/042"),
        ("/v1/places?kind=Store", "kind", "must be what stands before the slash of a place, such as store"),
    ],
)
async def test_a_wrong_parameter_is_refused_with_its_fix(
    path: str, field: str, reason: str, client: httpx.AsyncClient
) -> None:
    answer = await client.get(path)

    CONTRACT.assert_holds(answer)
    assert answer.status_code == 400
    assert answer.json()["faults"] == [{"field": field, "reason": reason}]


async def test_an_unknown_place_is_said_to_be_one(client: httpx.AsyncClient) -> None:
    answers = [await client.get(f"/v1/drivers?place={place}") for place in ("store/404", "store/9")]

    for answer in answers:
        CONTRACT.assert_holds(answer)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:tactus:problem:unknown-place")
        assert answer.json()["faults"][0]["field"] == "place"


@pytest.mark.parametrize("path", PATHS)
async def test_before_the_first_census_there_is_nothing_to_tell(path: str, postgres_dsn: str) -> None:
    async with read_client(postgres_dsn) as client:
        answer = await client.get(path)

    CONTRACT.assert_holds(answer)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:tactus:problem:no-census")


@pytest.mark.parametrize("path", PATHS)
async def test_who_may_not_read_scores_may_not_read_their_sums(path: str, client: httpx.AsyncClient) -> None:
    answers = [
        await client.get(path, headers={"Authorization": authorization})
        for authorization in (f"Bearer {OTHER_KEY}", "Bearer unknown")
    ]

    assert [answer.status_code for answer in answers] == [403, 401]
    assert BEARER["Authorization"] not in answers[0].text


def test_the_words_to_choose_by_are_those_of_the_catalogue() -> None:
    words = {"stage": STAGES, "driver": DRIVERS, "control": CONTROLS}

    assert {name: (*known, UNKNOWN) for name, known in words.items()} == dict(CHOICES)
