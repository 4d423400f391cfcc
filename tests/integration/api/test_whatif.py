"""What a customer's score would be: against the score of a customer to whom just that has happened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import httpx
import pytest

from tests.support.customers import Lived, store_person
from tests.support.readapi import OTHER_KEY, T, read_client

pytestmark = pytest.mark.integration

WHO = "customer:c1"

LAST_DIGIT = 2e-9
"""Of points, which are rounded so that they add up."""

LIVED = [
    Lived(WHO, "checkout.done", T - timedelta(days=9, minutes=5), 0.4, event_id="a", place="store/1"),
    Lived(WHO, "parcel.delivered", T - timedelta(days=2, minutes=9), -0.7, event_id="b"),
    Lived(WHO, "parcel.delivered", T - timedelta(days=2, minutes=7), -0.2, q=1.5, event_id="c"),
    Lived("device:d1", "parcel.delivered", T - timedelta(days=2, minutes=5), 0.3, event_id="d"),
    Lived(WHO, "call.taken", T - timedelta(hours=3), -0.5, q=2, event_id="e"),
    Lived(WHO, "x.own", T - timedelta(hours=2), 0.5, event_id="f", source="shop/web"),
]


@pytest.fixture
async def client(postgres_dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    await store_person(postgres_dsn, LIVED, customer=WHO, version=7)
    async with read_client(postgres_dsn) as opened:
        yield opened


async def ask(client: httpx.AsyncClient, **question: object) -> dict[str, object]:
    answer = await client.post("/v1/whatif", json={"customer": WHO, **question})
    assert answer.status_code == 200, answer.text
    told: dict[str, object] = answer.json()
    return told


async def lived_otherwise(client: httpx.AsyncClient, dsn: str, lived: Sequence[Lived]) -> dict[str, object]:
    """The answer and the receipt of another customer, to whom this has happened."""
    other = [
        event._replace(identity=event.identity.replace("1", "2"), event_id=f"other-{event.event_id}") for event in lived
    ]
    await store_person(dsn, other, customer="customer:c2", version=8)
    score = (await client.get("/v1/customers/customer:c2")).json()
    receipt = (await client.get("/v1/customers/customer:c2/receipt")).json()
    points = {
        (leaf["touchpoint"], leaf["place"]): (pytest.approx(leaf["points"], abs=LAST_DIGIT), leaf["events"])
        for leaf in receipt["leaves"]
    }
    return {"score": score["score"], "confidence": score["confidence"], "se": score["se"], "points": points}


def told(answer: dict[str, object]) -> dict[str, object]:
    """The same of an answer as it would be."""
    after, leaves = answer["after"], answer["leaves"]
    assert isinstance(after, dict)
    assert isinstance(leaves, list)
    points = {
        (leaf["touchpoint"], leaf["place"]): (leaf["after"], leaf["events_after"])
        for leaf in leaves
        if leaf["events_after"]
    }
    return {**{name: after[name] for name in ("score", "confidence", "se")}, "points": points}


async def test_nothing_asked_is_the_score_as_it_is(client: httpx.AsyncClient) -> None:
    answer, score = await ask(client), (await client.get(f"/v1/customers/{WHO}")).json()

    assert answer["before"] == answer["after"]
    assert answer["before"]["score"] == score["score"]  # type: ignore[index]
    assert (answer["model_version"], answer["version"], answer["difference"]) == (score["model_version"], 7, 0)


@pytest.mark.parametrize("ids", ["a", "b", "c", "d", "bc", "abcde"])
async def test_without_an_event_is_as_if_it_had_never_happened(
    ids: str, client: httpx.AsyncClient, postgres_dsn: str
) -> None:
    answer = await ask(client, without=[{"source": "shop", "id": one} for one in ids])

    expected = await lived_otherwise(client, postgres_dsn, [one for one in LIVED if one.event_id not in ids])
    assert told(answer) == expected


async def test_an_event_felt_otherwise_is_as_if_it_had_been(client: httpx.AsyncClient, postgres_dsn: str) -> None:
    changed = [
        {"source": "shop", "id": "b", "valence": 0.9},
        {"source": "shop", "id": "e", "stake": 0.25},
        {"source": "shop/web", "id": "f", "valence": -1, "stake": 0},
    ]

    answer = await ask(client, changed=changed)

    otherwise = {
        **{one.event_id: one for one in LIVED},
        "b": LIVED[1]._replace(v=0.9),
        "e": LIVED[4]._replace(q=0.25),
        "f": LIVED[5]._replace(v=-1.0, q=0.0),
    }
    expected = await lived_otherwise(client, postgres_dsn, [*otherwise.values()])
    assert told(answer) == expected


async def test_other_numbers_weigh_the_same_history(client: httpx.AsyncClient) -> None:
    plain = await ask(client)
    heavier = await ask(client, weights={"parcel.delivered": 4, "x.own": 0})
    without = await ask(client, weights=dict.fromkeys(("parcel.delivered", "x.own", "call.taken", "checkout.done"), 0))
    hopeful = await ask(client, parameters={"prior": 0.9, "lambda": 1})

    assert heavier["after"]["score"] < plain["after"]["score"] < hopeful["after"]["score"]  # type: ignore[index]
    assert without["after"]["score"] == 50  # type: ignore[index]
    assert hopeful["after"]["prior"] == 90  # type: ignore[index]


async def test_the_differences_add_up_to_what_would_change(client: httpx.AsyncClient) -> None:
    answer = await ask(
        client, parameters={"prior": 0.7}, weights={"call.taken": 3}, without=[{"source": "shop", "id": "a"}]
    )

    before, after, leaves = answer["before"], answer["after"], answer["leaves"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert isinstance(leaves, list)
    total = after["prior"] - before["prior"] + sum(leaf["difference"] for leaf in leaves)
    assert total == pytest.approx(answer["difference"], abs=1e-9)
    assert after["score"] - before["score"] == pytest.approx(answer["difference"], abs=1e-8)
    assert [abs(leaf["difference"]) for leaf in leaves] == sorted(
        (abs(leaf["difference"]) for leaf in leaves), reverse=True
    )


async def test_an_event_after_the_moment_is_none(client: httpx.AsyncClient) -> None:
    question = {"customer": WHO, "at": "2026-01-01T00:00:00Z", "without": [{"source": "shop", "id": "e"}]}

    answer = await client.post("/v1/whatif", json=question)

    assert answer.status_code == 404
    assert answer.json()["faults"] == [
        {
            "field": "without[0]",
            "reason": "is no event of this customer that counts at that moment; the journey shows source and id",
        }
    ]


BAD: dict[str, tuple[object, int, str, str]] = {
    "no customer": ({}, 422, "invalid-question", "customer"),
    "negative weight": (
        {"customer": WHO, "weights": {"call.taken": -1}},
        422,
        "invalid-question",
        "weights.call.taken",
    ),
    "heavy weight": ({"customer": WHO, "weights": {"call.taken": 99}}, 422, "invalid-question", "weights.call.taken"),
    "prior": ({"customer": WHO, "parameters": {"prior": 1.2}}, 422, "invalid-question", "parameters.prior"),
    "half-life": (
        {"customer": WHO, "parameters": {"half_life_days": 0}},
        422,
        "invalid-question",
        "parameters.half_life_days",
    ),
    "unknown parameter": ({"customer": WHO, "parameters": {"kapa": 1}}, 422, "invalid-question", "parameters"),
    "time": ({"customer": WHO, "at": "yesterday"}, 422, "invalid-question", "at"),
    "a moment to come": ({"customer": WHO, "at": "2026-03-01T12:06:00Z"}, 422, "invalid-question", "at"),
    "stake": (
        {"customer": WHO, "changed": [{"source": "s", "id": "i", "stake": 3}]},
        422,
        "invalid-question",
        "changed[0].stake",
    ),
    "twice": (
        {"customer": WHO, "without": [{"source": "s", "id": "i"}], "changed": [{"source": "s", "id": "i"}]},
        409,
        "event-named-twice",
        "changed[0]",
    ),
    "unknown touchpoint": (
        {"customer": WHO, "weights": {"call.takn": 1}},
        404,
        "unknown-touchpoint",
        "weights.call.takn",
    ),
    "unknown event": ({"customer": WHO, "without": [{"source": "s", "id": "i"}]}, 404, "unknown-event", "without[0]"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_cannot_be_asked_names_the_field_and_the_fix(name: str, client: httpx.AsyncClient) -> None:
    question, status, slug, field = BAD[name]

    answer = await client.post("/v1/whatif", json=question)

    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (status, f"urn:tactus:problem:{slug}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert [fault["field"] for fault in problem["faults"]] == [field]
    assert problem["faults"][0]["reason"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b'{"customer": "customer:c1", "parameters": {"kappa": NaN}}', {}, 422),
        (b"{}" + b" " * 70_000, {}, 413),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Encoding": "gzip"}, 415),
        (b"{}", {"Authorization": "Bearer nothing"}, 401),
        (b"{}", {"Authorization": f"Bearer {OTHER_KEY}"}, 403),
        (b'{"customer": "customer:nobody"}', {}, 404),
        (b'{"customer": "nobody"}', {}, 422),
    ],
)
async def test_what_cannot_be_read_is_refused(
    body: bytes, headers: dict[str, str], status: int, client: httpx.AsyncClient
) -> None:
    answer = await client.post("/v1/whatif", content=body, headers={"Content-Type": "application/json", **headers})

    assert answer.status_code == status
    assert answer.json()["type"].startswith("urn:tactus:problem:")


async def test_only_a_post_asks(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/whatif")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
