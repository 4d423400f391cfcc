"""A past hour with what was known of it then: replayed in the order of arrival, a system had told just that."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import NamedTuple

import httpx
import pytest

from tests.support.customers import Lived, store_person
from tests.support.openapi import Contract
from tests.support.readapi import T, read_client

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
HOUR = timedelta(hours=1)
CHECKS = 14
WHO = "customer:all"
LOST = timedelta(minutes=59, seconds=59)


class Past(NamedTuple):
    """A customer whose events arrived late, and for each hour another to whom just that had arrived by its end."""

    client: httpx.AsyncClient
    hours: list[datetime]


def lived_late(dice: random.Random) -> list[Lived]:
    """Events of four hundred hours, some of which arrive hours or days after they occurred."""
    return [
        Lived(
            dice.choice((WHO, "device:d")),
            dice.choice(("checkout.done", "parcel.delivered", "call.taken")),
            occurred,
            dice.choice((-1.0, -0.6, 0.3, 0.9)),
            q=dice.choice((1.0, 1.0, 0.5, 0.0)),
            channel=dice.choice(("web", "pos")),
            event_id=f"e{number}",
            received_at=occurred + dice.choice((0, 0, 1, 30, 200)) * dice.random() * HOUR,
        )
        for number in range(200)
        for occurred in [T - dice.random() * 400 * HOUR]
    ]


@pytest.fixture
async def past(postgres_dsn: str) -> AsyncIterator[Past]:
    dice = random.Random(11)
    lived = lived_late(dice)
    hours = [T - number * 29 * HOUR for number in range(CHECKS)]
    await store_person(postgres_dsn, lived, customer=WHO, version=7)
    for number, hour in enumerate(hours):
        arrived = [
            event._replace(
                identity=f"{event.identity}-{number}",
                event_id=f"{event.event_id}-{number}",
            )
            for event in lived
            if event.received_at is not None and event.received_at <= hour + LOST
        ]
        await store_person(postgres_dsn, arrived, customer=f"{WHO}-{number}", version=7)
    async with read_client(postgres_dsn) as client:
        yield Past(client, hours)


def nameless(answer: httpx.Response) -> dict[str, object]:
    """An answer without whose it is."""
    CONTRACT.assert_holds(answer)
    body: dict[str, object] = answer.json()
    for name in ("customer", "identities"):
        body.pop(name, None)
    return body


def without_numbers(body: object) -> object:
    """The events behind a leaf by the names that they have for everybody."""
    match body:
        case dict():
            return {
                name: str(one).split("-")[0] if name == "id" else without_numbers(one) for name, one in body.items()
            }
        case list():
            return [without_numbers(one) for one in body]
        case _:
            return body


@pytest.mark.parametrize("rest", ["", "/receipt", "/change?over=day", "/change?over=month"])
async def test_what_was_known_then_is_what_a_system_had_told_at_that_hour(past: Past, rest: str) -> None:
    path, _, query = rest.partition("?")
    asked = dict([query.split("=")] if query else [])
    differ = 0
    for number, hour in enumerate(past.hours):
        at = {"at": hour.isoformat(), **asked}
        then = await past.client.get(f"/v1/customers/{WHO}{path}", params={**at, "known": "then"})
        told = await past.client.get(f"/v1/customers/{WHO}-{number}{path}", params=at)
        now = await past.client.get(f"/v1/customers/{WHO}{path}", params=at)

        assert nameless(then) == without_numbers(nameless(told))
        differ += nameless(then) != nameless(now)

    assert differ > CHECKS // 2, "events that arrived late make a difference"


@pytest.mark.usefixtures("past")
async def test_all_that_arrived_in_time_is_known_then(postgres_dsn: str) -> None:
    async with read_client(postgres_dsn, now=T + 1000 * HOUR) as client:
        answers = [
            (await client.get(f"/v1/customers/{WHO}", params=known)).json()
            for known in ({}, {"known": "now"}, {"known": "then"})
        ]

    assert answers[0] == answers[1] == answers[2]


async def test_what_is_known_is_now_or_then(past: Past) -> None:
    answer = await past.client.get(f"/v1/customers/{WHO}", params={"known": "later"})

    CONTRACT.assert_holds(answer)
    assert (answer.status_code, answer.json()["detail"]) == (400, "The parameter known must be one of now, then.")


async def test_at_the_beginning_of_time_an_answer_is_read_as_well(past: Past) -> None:
    for rest in ("", "/receipt", "/change"):
        answer = await past.client.get(
            f"/v1/customers/{WHO}{rest}", params={"at": "0001-01-01T00:00:00Z", "known": "then"}
        )

        CONTRACT.assert_holds(answer)
        assert answer.status_code == 200
