"""What the read API says about accounts whose contacts' events came by the door and were counted by a worker."""

from __future__ import annotations

from random import Random
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from services.aggregator.counting.lag import Lag
from services.aggregator.counting.scoring_accounts import ScoringAccounts, Step
from services.core.valence import Const
from services.infra.catalogue.reading import load_catalogue
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.roles import WORKER
from tests.support.companies import Told, store_companies
from tests.support.databases import Databases, as_role
from tests.support.openapi import Contract
from tests.support.readapi import BEARER, read_client
from tests.support.said_log import SaidLog

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
KAPPA, LAMBDA, BETA = 3.0, 2.0, 0.5

ACME = [
    Told("e-1", "anna", "identity.linked", "2026-02-01T09:00:00Z", "acme", "user"),
    Told("e-2", "anna", "delivery.damaged", "2026-03-01T12:00:00Z", "acme"),
    Told("e-3", "ben", "identity.linked", "2026-02-03T09:00:00Z", "acme", "Decision maker"),
    Told("e-4", "ben", "order.completed", "2026-03-01T12:00:00Z"),
    Told("e-5", "cleo", "call.abandoned", "2026-03-01T12:00:00Z", "acme", "champion", "loyalty:card-7"),
    Told("e-6", "anna", "identity.linked", "2026-02-20T09:00:00Z", "acme", "champion"),
    Told("e-7", "zoe", "order.completed", "2026-03-01T12:00:00Z", "beta"),
]
"""Anna became a champion, Ben decides and names no company when he orders, Cleo is a champion from her call on."""


def felt(touchpoint: str) -> tuple[float, float]:
    """Good and bad evidence of one event of this hour, with loss aversion."""
    entry = load_catalogue().entries[touchpoint]
    assert isinstance(entry.valence, Const)
    v = entry.valence.v
    size = entry.weight * ((1 - BETA) * abs(v) + BETA * v * v)
    return (size, 0.0) if v > 0 else (0.0, LAMBDA * size)


def score_of(*parts: tuple[float, str]) -> float:
    """The score by hand: each part is a factor and a touchpoint."""
    good = sum(factor * felt(touchpoint)[0] for factor, touchpoint in parts)
    bad = sum(factor * felt(touchpoint)[1] for factor, touchpoint in parts)
    return 100 * (KAPPA / 2 + good) / (KAPPA + good + bad)


@pytest.fixture
async def acme(postgres_dsn: str) -> str:
    await store_companies(postgres_dsn, ACME)
    return postgres_dsn


async def ask(dsn: str, path: str, **parameters: str) -> Any:  # noqa: ANN401 - an answer as it is written
    async with read_client(dsn) as client:
        answer = await client.get(path, params=parameters)
    CONTRACT.assert_holds(answer)
    return answer.json()


async def test_an_account_reads_all_that_its_contacts_lived_through_by_the_factors_of_their_roles(acme: str) -> None:
    told = await ask(acme, "/v1/accounts/acme")

    assert told["score"] == pytest.approx(
        score_of((2, "delivery.damaged"), (3, "order.completed"), (2, "call.abandoned")), abs=1e-4
    )
    assert (told["contacts"], told["unread"], told["others"]) == (3, 0, {"contacts": 0, "points": 0.0})
    people = {one["customer"]: one for one in told["people"]}
    assert {name: (one["role"], one["since"]) for name, one in people.items()} == {
        "customer:anna": ("champion", "2026-02-01T09:00:00Z"),
        "customer:ben": ("decision_maker", "2026-02-03T09:00:00Z"),
        "customer:cleo": ("champion", "2026-03-01T12:00:00Z"),
    }
    assert people["customer:ben"]["score"] == pytest.approx(score_of((1, "order.completed")), abs=1e-4)
    assert [one["points"] for one in told["people"]] == sorted(one["points"] for one in told["people"])
    assert sum(one["points"] for one in told["people"]) == pytest.approx(told["score"] - 50, abs=1e-8)


async def test_the_worst_key_contact_is_the_unhappiest_champion_or_decision_maker(acme: str) -> None:
    told = await ask(acme, "/v1/accounts/acme")

    worst = told["worst_key_contact"]
    assert (worst["customer"], worst["role"]) == ("customer:anna", "champion")
    assert worst["score"] == pytest.approx(score_of((1, "delivery.damaged")), abs=1e-4)
    assert worst == told["people"][0]


async def test_the_receipt_of_an_account_adds_up_to_its_score(acme: str) -> None:
    told, receipt = await ask(acme, "/v1/accounts/acme"), await ask(acme, "/v1/accounts/acme/receipt")

    assert receipt["score"] == told["score"]
    assert receipt["prior"] + sum(leaf["points"] for leaf in receipt["leaves"]) + receipt["others"]["points"] == (
        pytest.approx(receipt["score"], abs=1e-8)
    )
    events = {leaf["touchpoint"]: [event["id"] for event in leaf["latest"]] for leaf in receipt["leaves"]}
    assert events["call.abandoned"] == ["e-5"]
    assert "e-7" not in {event for latest in events.values() for event in latest}


@pytest.mark.parametrize("over", ["day", "week", "month"])
async def test_what_moved_an_account_adds_up_leaf_by_leaf_by_the_factors_of_its_roles(acme: str, over: str) -> None:
    told, change = await ask(acme, "/v1/accounts/acme"), await ask(acme, "/v1/accounts/acme/change", over=over)

    assert (change["after"]["score"], change["change"]) == (told["score"], told["change"][over])
    lines = [*change["leaves"], change["others"]]
    for part in ("came", "faded", "fell_out"):
        assert sum(line[part] for line in lines) == pytest.approx(change["change"][part], abs=1e-8)
    moved = {leaf["touchpoint"]: leaf["came"] for leaf in change["leaves"]}
    assert moved["delivery.damaged"] < moved["call.abandoned"] < 0 < moved["order.completed"]
    assert change["after"]["score"] - change["before"]["score"] == pytest.approx(change["change"]["points"], abs=1e-8)


async def test_the_journey_of_an_account_is_that_of_all_its_contacts_page_by_page(acme: str) -> None:
    pages: list[list[tuple[str, str]]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await ask(acme, "/v1/accounts/acme/journey", limit="4", **cursor)
        pages.append([(one["customer"], one["id"]) for one in page["touchpoints"]])
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert [len(page) for page in pages] == [4, 2]
    assert pages[1] == [("customer:anna", "e-1"), ("customer:ben", "e-3")]
    assert sorted(id_ for page in pages for _, id_ in page) == ["e-1", "e-2", "e-3", "e-4", "e-5", "e-6"]
    assert ("customer:ben", "e-4") in pages[0]


async def test_at_a_past_hour_an_account_has_the_contacts_and_the_roles_of_that_hour(acme: str) -> None:
    earlier = await ask(acme, "/v1/accounts/acme", at="2026-02-10T00:00:00Z")
    before = await ask(acme, "/v1/accounts/acme", at="2026-01-01T00:00:00Z")

    assert {one["customer"]: one["role"] for one in earlier["people"]} == {
        "customer:anna": "user",
        "customer:ben": "decision_maker",
    }
    assert (before["contacts"], before["score"], before["confidence"]) == (0, 50.0, 0.0)


@pytest.mark.parametrize("seed", range(4))
async def test_in_whatever_order_events_come_the_answers_are_the_same_to_the_last_digit(
    acme: str, databases: Databases, seed: int
) -> None:
    name = await databases.create()
    dsn = databases.server.dsn_of(name)
    await store_companies(dsn, ACME, random=Random(seed))

    for path in ("/v1/accounts/acme", "/v1/accounts/beta", "/v1/accounts/acme/receipt", "/v1/accounts/acme/journey"):
        assert await ask(dsn, path) == await ask(acme, path)

    await databases.drop(name)


async def test_contacts_that_turn_out_to_be_one_person_are_one_contact(postgres_dsn: str) -> None:
    await store_companies(
        postgres_dsn,
        [
            Told("e-1", "anna", "order.completed", "2026-03-01T10:00:00Z", "acme", "champion"),
            Told("e-2", "ben", "order.completed", "2026-03-01T11:00:00Z", "acme"),
            Told("e-3", "anna", "identity.linked", "2026-03-01T11:30:00Z", also="loyalty:card-7"),
            Told("e-4", "ben", "identity.linked", "2026-03-01T11:40:00Z", also="loyalty:card-8"),
        ],
    )
    connection = await asyncpg.connect(postgres_dsn)
    # As an alias leaves it: one person's identities point to one number.
    await connection.execute(
        "UPDATE identity SET person = (SELECT id FROM identity WHERE value = 'customer:anna') WHERE value LIKE '%ben'"
    )
    await connection.close()

    told = await ask(postgres_dsn, "/v1/accounts/acme")

    assert [(one["customer"], one["role"]) for one in told["people"]] == [("customer:anna", "champion")]


async def test_a_company_may_be_called_whatever_an_event_can_say(postgres_dsn: str) -> None:
    name = "ACME / Łódź & co? 100%"
    await store_companies(
        postgres_dsn, [Told("e-1", "anna", "order.completed", "2026-03-01T12:00:00Z", name, "no such role")]
    )

    async with read_client(postgres_dsn) as client:
        answer = await client.get("/v1/accounts/ACME%20%2F%20%C5%81%C3%B3d%C5%BA%20%26%20co%3F%20100%25")

    CONTRACT.assert_holds(answer)
    assert (answer.json()["account"], answer.json()["people"][0]["role"]) == (name, "user")


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        ("/v1/accounts/nobody", 404, "unknown-account"),
        ("/v1/accounts/%00", 422, "invalid-account"),
        ("/v1/accounts/%FF", 422, "invalid-account"),
        (f"/v1/accounts/{'a' * 129}", 422, "invalid-account"),
        ("/v1/accounts/acme?at=yesterday", 400, "bad-parameter"),
        ("/v1/accounts/acme?at=2026-03-01T13:00:00Z", 400, "bad-parameter"),
        ("/v1/accounts/acme/history?to=2026-03-01T13:00:00Z", 400, "bad-parameter"),
        ("/v1/accounts/acme/history?known=then", 400, "bad-parameter"),
        ("/v1/accounts/acme/history?dimension=mood", 400, "bad-parameter"),
        ("/v1/accounts/nobody/history", 404, "unknown-account"),
        ("/v1/accounts/acme?known=later", 400, "bad-parameter"),
        ("/v1/accounts/acme?limit=3", 400, "bad-parameter"),
        ("/v1/accounts/acme/journey?limit=0", 400, "bad-parameter"),
        ("/v1/accounts/acme/journey?cursor=x", 400, "bad-parameter"),
        ("/v1/accounts/nobody/receipt", 404, "unknown-account"),
        ("/v1/accounts/acme/change?over=year", 400, "bad-parameter"),
        ("/v1/accounts/nobody/change", 404, "unknown-account"),
        ("/v1/accounts?band=bad", 400, "bad-parameter"),
        ("/v1/accounts?sort=age", 400, "bad-parameter"),
        ("/v1/accounts?cursor=x", 400, "bad-parameter"),
        ("/v1/accounts?cursor=AAAAAAAAAAAA_w==", 400, "bad-parameter"),
        ("/v1/accounts?at=2026-03-01T12:00:00Z", 400, "bad-parameter"),
    ],
)
async def test_what_cannot_be_answered_is_told_with_its_fix(
    postgres_dsn: str, path: str, status: int, slug: str
) -> None:
    async with read_client(postgres_dsn) as client:
        answer = await client.get(path)

    CONTRACT.assert_holds(answer)
    problem = answer.json()
    assert (answer.status_code, problem["type"].rpartition(":")[2]) == (status, slug)
    assert problem["detail"]


async def test_whoever_may_not_read_scores_is_told_nothing_of_accounts(acme: str) -> None:
    async with read_client(acme) as client:
        answers = [
            await client.get(f"/v1/accounts{part}", headers={**BEARER, "Authorization": "Bearer wrong"})
            for part in ("/acme", "/acme/receipt", "/acme/change", "/acme/history", "/acme/journey", "")
        ]

    assert [answer.status_code for answer in answers] == [401] * 6


async def listed(dsn: str, **parameters: str) -> list[list[str]]:
    """The accounts of every page of a list."""
    pages: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await ask(dsn, "/v1/accounts", **parameters, **cursor)
        pages.append([one["account"] for one in page["accounts"]])
        if page["next"] is None:
            return pages
        cursor = {"cursor": page["next"]}


@pytest.fixture
async def several(postgres_dsn: str) -> str:
    """Companies whose scores and worst key contacts stand in different orders; two have equal scores."""
    at = "2026-03-01T12:00:00Z"
    await store_companies(
        postgres_dsn,
        [
            Told("e-1", "a", "delivery.damaged", at, "zeta", "user"),
            Told("e-2", "b", "delivery.damaged", at, "Łódź & sons", "user"),
            Told("e-3", "c", "order.completed", at, "beta", "champion"),
            Told("e-4", "d", "call.abandoned", at, "gamma", "champion"),
            Told("e-5", "e", "order.completed", at, "gamma", "decision_maker"),
        ],
    )
    settings = PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER)))
    store = await Database.open(settings, lanes=1)
    while await ScoringAccounts(store, load_catalogue(), Lag(store, SaidLog(store))).step() is Step.MOVED:
        pass
    await store.close()
    return postgres_dsn


@pytest.mark.parametrize("limit", ["1", "2", "100"])
async def test_accounts_are_listed_in_each_order_whole_whatever_the_size_of_a_page(several: str, limit: str) -> None:
    worst_first = ["zeta", "Łódź & sons", "gamma", "beta"]

    assert [one for page in await listed(several, limit=limit) for one in page] == worst_first
    assert [one for page in await listed(several, limit=limit, sort="account") for one in page] == [
        "beta",
        "gamma",
        "zeta",
        "Łódź & sons",
    ]
    assert [one for page in await listed(several, limit=limit, sort="worst") for one in page] == [
        "gamma",
        "beta",
        "zeta",
        "Łódź & sons",
    ]


async def test_a_list_shows_what_each_account_was_read_as(several: str) -> None:
    page = await ask(several, "/v1/accounts", sort="account")
    told = [await ask(several, f"/v1/accounts/{name}") for name in ("beta", "gamma")]

    for row, account in zip(page["accounts"], told, strict=False):
        assert {name: row[name] for name in ("score", "confidence", "se", "band", "contacts")} == {
            name: account[name] for name in ("score", "confidence", "se", "band", "contacts")
        }
        assert row["worst_key_contact"]["customer"] == account["worst_key_contact"]["customer"]
    assert page["accounts"][1]["worst_key_contact"]["customer"] == "customer:d"
    assert page["model_version"] == told[0]["model_version"]
    assert {row["as_of"] for row in page["accounts"]} == {"2026-03-01T12:00:00Z"}


async def test_a_list_may_be_of_one_band(several: str) -> None:
    every = (await ask(several, "/v1/accounts"))["accounts"]

    for band in {row["band"] for row in every} | {"great"}:
        page = (await ask(several, "/v1/accounts", band=band))["accounts"]
        assert page == [row for row in every if row["band"] == band]


async def test_before_anybody_acts_for_a_company_a_list_is_empty(postgres_dsn: str) -> None:
    assert await listed(postgres_dsn) == [[]]
