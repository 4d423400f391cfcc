"""An account's past over the API: day by day, and as it was known at an hour."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from tests.support.companies import Told, store_companies
from tests.support.databases import Databases
from tests.support.openapi import Contract
from tests.support.readapi import read_client

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
PATH = "/v1/accounts/acme"

LATE = Told("e-5", "ben", "delivery.damaged", "2026-02-20T10:00:00Z")
ACME = [
    Told("e-1", "anna", "identity.linked", "2026-01-10T09:00:00Z", "acme", "champion"),
    Told("e-2", "ben", "identity.linked", "2026-01-11T09:00:00Z", "acme", "decision_maker"),
    Told("e-3", "anna", "order.completed", "2026-02-10T09:00:00Z"),
    Told("e-4", "ben", "call.abandoned", "2026-02-15T12:00:00Z"),
    LATE,
    Told("e-6", "anna", "referral.made", "2026-02-25T12:00:00Z"),
]


@pytest.fixture
async def acme(postgres_dsn: str) -> str:
    await store_companies(postgres_dsn, ACME)
    return postgres_dsn


async def ask(dsn: str, path: str, **parameters: str) -> Any:  # noqa: ANN401 - an answer as it is written
    async with read_client(dsn) as client:
        answer = await client.get(path, params=parameters)
    CONTRACT.assert_holds(answer)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("dimension", [None, "touchpoint", "stage"])
async def test_each_point_of_an_account_s_history_is_the_score_at_its_moment(acme: str, dimension: str | None) -> None:
    asked = {"from": "2026-02-01T12:00:00Z", **({"dimension": dimension} if dimension else {})}
    history = await ask(acme, f"{PATH}/history", **asked)

    assert (len(history["points"]), history["dimension"], history["left_out"]) == (29, dimension, 0)
    for place in (0, 9, 14, 19, 24, 28):
        point = history["points"][place]
        single = await ask(acme, PATH, at=point["at"])
        told = {name: single[name] for name in ("score", "confidence", "se", "band", "at")}
        assert point == told
        for value, cell in single["dimensions"][dimension].items() if dimension else ():
            column = history["values"][value]
            assert (column["score"][place], column["confidence"][place]) == (cell["score"], cell["confidence"])
    assert len({point["score"] for point in history["points"]}) > 20, "it moves"


async def test_a_history_has_the_contacts_and_the_roles_of_its_last_moment(postgres_dsn: str) -> None:
    acme = postgres_dsn
    await store_companies(
        acme,
        [
            *ACME,
            Told("e-7", "cleo", "delivery.damaged", "2026-02-05T09:00:00Z"),
            Told("e-8", "cleo", "identity.linked", "2026-02-28T09:00:00Z", "acme", "user"),
        ],
    )

    history = await ask(acme, f"{PATH}/history", **{"from": "2026-02-06T12:00:00Z", "to": "2026-03-01T12:00:00Z"})

    then, now = [await ask(acme, PATH, at=history["points"][place]["at"]) for place in (0, -1)]
    assert history["points"][-1]["score"] == now["score"]
    assert history["points"][0]["score"] < then["score"], "Cleo was none of its contacts then, and is one at the end"


@pytest.mark.parametrize("rest", ["", "/receipt", "/change"])
async def test_what_was_known_of_an_account_then_leaves_out_what_came_later(
    acme: str, databases: Databases, rest: str
) -> None:
    connection = await asyncpg.connect(acme)
    await connection.execute("UPDATE touchpoint_row SET received_at = occurred_at WHERE event_id <> $1", LATE.event_id)
    await connection.close()
    name = await databases.create()
    without = databases.server.dsn_of(name)
    await store_companies(without, [one for one in ACME if one is not LATE])

    then = await ask(acme, f"{PATH}{rest}", at="2026-02-26T12:00:00Z", known="then")
    told = await ask(without, f"{PATH}{rest}", at="2026-02-26T12:00:00Z")
    now = await ask(acme, f"{PATH}{rest}", at="2026-02-26T12:00:00Z", known="now")

    await databases.drop(name)
    assert _without_arrivals(then) == _without_arrivals(told)
    assert _without_arrivals(then) != _without_arrivals(now)


def _without_arrivals(body: Any) -> Any:  # noqa: ANN401 - an answer as it is written
    """An answer without when its events were received: that is what the test has changed."""
    match body:
        case dict():
            return {key: _without_arrivals(one) for key, one in body.items() if key != "received_at"}
        case list():
            return [_without_arrivals(one) for one in body]
        case _:
            return body
