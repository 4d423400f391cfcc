"""What an account's contacts lost points by is counted as a census counts everybody, at the moment it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from services.infra.catalogue.reading import load_catalogue
from tests.support.censuses import take_census
from tests.support.companies import Told, store_companies
from tests.support.openapi import Contract
from tests.support.readapi import T, read_client

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")

PATHS = ("/v1/drivers", "/v1/touchpoints", "/v1/journey", "/v1/places")

ACME = [
    Told("e-1", "anna", "delivery.damaged", "2026-02-27T12:00:00Z", "acme", "user"),
    Told("e-2", "anna", "delivery.damaged", "2026-01-20T12:00:00Z", "acme"),
    Told("e-3", "ben", "order.completed", "2026-02-28T12:00:00Z", "acme", "decision_maker"),
    Told("e-4", "ben", "call.abandoned", "2026-03-01T12:00:00Z"),
]
ZOE = Told("e-9", "zoe", "call.abandoned", "2026-03-01T12:00:00Z", "beta")


async def ask(dsn: str, path: str, *, status: int = 200) -> Any:  # noqa: ANN401 - an answer as it is written
    async with read_client(dsn) as client:
        answer = await client.get(path)
    CONTRACT.assert_holds(answer)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize("path", PATHS)
async def test_contacts_are_counted_as_everybody_is(path: str, postgres_dsn: str) -> None:
    await store_companies(postgres_dsn, ACME)
    await take_census(postgres_dsn, load_catalogue(), at=T)

    every, acme = await ask(postgres_dsn, path), await ask(postgres_dsn, f"{path}?account=acme")

    assert (every["account"], acme["account"]) == (None, "acme")
    # The worker's catalogue and the API's of the tests call drivers and stages otherwise; touchpoints they call alike.
    for name in ("everything", "persons", "days", "at", "model_version", "touchpoints", "places"):
        assert acme.get(name) == every.get(name)


async def test_nobody_else_is_among_the_contacts(postgres_dsn: str) -> None:
    await store_companies(postgres_dsn, [*ACME, ZOE])

    acme = await ask(postgres_dsn, "/v1/touchpoints?account=acme")
    beta = await ask(postgres_dsn, "/v1/touchpoints?account=beta")
    scores = [
        (await ask(postgres_dsn, f"/v1/customers/customer:{who}"))["windows"]["30d"]["score"] for who in ("anna", "ben")
    ]

    whole = acme["everything"]["period"]
    assert (acme["persons"], beta["persons"]) == (2, 1)
    assert whole["points_won"] - whole["points_lost"] == pytest.approx(sum(scores) - 100, abs=1e-4)
    assert [one["touchpoint"] for one in beta["touchpoints"]] == ["call.abandoned"]
    damaged = {one["touchpoint"]: one for one in acme["touchpoints"]}["delivery.damaged"]
    assert (damaged["period"]["customers"], damaged["before"]["customers"]) == (1, 1)


async def test_an_account_that_nobody_names_is_unknown(postgres_dsn: str) -> None:
    await store_companies(postgres_dsn, ACME)

    unknown = await ask(postgres_dsn, "/v1/drivers?account=nobody", status=404)
    endless = await ask(postgres_dsn, f"/v1/drivers?account={'a' * 129}", status=400)

    assert unknown["type"] == "urn:tactus:problem:unknown-account"
    assert [problem["faults"][0]["field"] for problem in (unknown, endless)] == ["account", "account"]
