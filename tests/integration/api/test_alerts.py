"""Alerts over the API: found by every filter, worked on by one at a time, each change once and by name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest

from schemas.problem import PROBLEMS
from tests.support.alerts import Raised, alert_id, owner_of, raise_alerts
from tests.support.openapi import Contract
from tests.support.readapi import KEY, RESPONDER_KEY, T, read_client

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
LIST = "/v1/alerts"
ONE = f"{LIST}/{alert_id(1)}"
TILL = ("pos.queue_waited", "pos", "store/014")


@pytest.fixture
async def client(postgres_dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    await raise_alerts(
        postgres_dsn,
        [
            Raised(1, opened_at=T - timedelta(hours=3)),
            Raised(2, "customer:c2", severity="critical", opened_at=T - timedelta(hours=2), leaves=(TILL,)),
            Raised(3, account="acme", rule="overdue", state="closed", opened_at=T - timedelta(hours=1)),
        ],
    )
    async with read_client(postgres_dsn) as made:
        made.headers["Authorization"] = f"Bearer {RESPONDER_KEY}"
        yield made


def numbers(answer: httpx.Response) -> list[int]:
    CONTRACT.assert_holds(answer)
    assert answer.status_code == 200, answer.text
    return [int(one["id"].rpartition("-")[2]) for one in answer.json()["alerts"]]


def problem(answer: httpx.Response) -> str:
    CONTRACT.assert_holds(answer)
    slug: str = answer.json()["type"].rpartition(":")[2]
    assert answer.status_code == PROBLEMS[slug].status
    return slug


async def act(
    client: httpx.AsyncClient, verb: str, body: object = None, *, tag: str = "*", key: str | None = None
) -> httpx.Response:
    headers = {"If-Match": tag, **({} if key is None else {"Idempotency-Key": key})}
    answer = await client.post(f"{ONE}/{verb}", json=body, headers=headers)
    CONTRACT.assert_holds(answer)
    return answer


FILTERS: list[tuple[Mapping[str, str], list[int]]] = [
    ({}, [3, 2, 1]),
    ({"state": "open"}, [2, 1]),
    ({"state": "closed"}, [3]),
    ({"severity": "critical"}, [2]),
    ({"rule": "overdue"}, [3]),
    ({"place": "store/014"}, [2]),
    ({"touchpoint": "delivery.delivered", "place": "carrier/swift"}, [3, 1]),
    ({"touchpoint": "delivery.delivered", "place": "store/014"}, []),
    ({"channel": "pos"}, [2]),
    ({"customer": "customer:c2"}, [2]),
    ({"customer": "customer:nobody"}, []),
    ({"account": "acme"}, [3]),
    ({"since": "2026-03-01T10:00:00Z"}, [3, 2]),
    ({"assigned": "ben"}, []),
    ({"work": "new"}, [3, 2, 1]),
    ({"incident": str(alert_id(9))}, []),
]


@pytest.mark.parametrize(("asked", "found"), FILTERS, ids=[str(asked) for asked, _ in FILTERS])
async def test_alerts_are_found_by_what_is_asked_of_them(
    asked: dict[str, str], found: list[int], client: httpx.AsyncClient
) -> None:
    assert numbers(await client.get(LIST, params=asked)) == found


async def test_pages_follow_each_other_from_the_newest_back(client: httpx.AsyncClient) -> None:
    first = await client.get(LIST, params={"limit": 2})
    second = await client.get(LIST, params={"limit": 2, "cursor": first.json()["next"]})

    assert (numbers(first), numbers(second)) == ([3, 2], [1])
    assert second.json()["next"] is None


async def test_what_people_did_is_a_filter_too(client: httpx.AsyncClient) -> None:
    await act(client, "assign", {"to": "ben"})
    assert numbers(await client.get(LIST, params={"assigned": "ben"})) == [1]

    await act(client, "ack")
    assert numbers(await client.get(LIST, params={"work": "acknowledged"})) == [1]

    await act(client, "snooze", {"until": "2026-03-05T00:00:00Z"})
    assert numbers(await client.get(LIST, params={"work": "snoozed"})) == [1]

    await act(client, "close", {"outcome": "real"})
    assert numbers(await client.get(LIST, params={"work": "done"})) == [1]
    assert numbers(await client.get(LIST, params={"work": "new"})) == [3, 2]


async def test_an_alert_is_shown_with_its_reasons_and_who_did_what(client: httpx.AsyncClient) -> None:
    await act(client, "due", {"at": "2026-03-02T12:00:00Z"})
    await act(client, "note", {"text": "Called back:\nno answer."})
    await act(client, "close", {"outcome": "real", "note": "Refunded."})

    answer = await client.get(ONE)

    CONTRACT.assert_holds(answer)
    shown = answer.json()
    assert answer.headers["ETag"] == '"3"'
    assert (shown["customer"], shown["tipped"]) == ("customer:c1", {"source": "shop", "id": "e1"})
    assert shown["reasons"][0]["place"] == "carrier/swift"
    assert [(one["by"], one["what"], one["detail"]) for one in shown["changes"]] == [
        ("eve", "done", "real: Refunded."),
        ("eve", "noted", "Called back:\nno answer."),
        ("eve", "due", "2026-03-02T12:00:00Z"),
    ]
    assert shown["work"]["done_by"] == shown["work"]["acknowledged_by"] == "eve"
    assert shown["work"]["outcome"] == "real"


async def test_a_change_over_somebody_elses_is_refused(client: httpx.AsyncClient) -> None:
    tag = (await client.get(ONE)).headers["ETag"]
    assert (await act(client, "assign", {"to": "ben"}, tag=tag)).status_code == 200

    assert problem(await act(client, "assign", {"to": "eve"}, tag=tag)) == "alert-changed"

    assert (await client.get(ONE)).json()["work"]["assigned_to"] == "ben"


async def test_of_two_at_once_one_is_told_of_the_other(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(act(client, "assign", {"to": name}, tag='"0"') for name in ("ben", "eve")))

    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert (await client.get(ONE)).json()["work"]["revision"] == 1


async def test_a_change_that_is_sent_again_is_made_once(client: httpx.AsyncClient) -> None:
    first = await act(client, "ack", tag='"0"')
    again = await act(client, "ack", tag='"0"')

    assert first.json() == again.json()
    assert first.headers["ETag"] == '"1"'


async def test_a_note_under_one_key_is_made_once_and_the_key_serves_no_other(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        assert (await act(client, "note", {"text": "called"}, tag='"0"', key="k1")).status_code == 200

    other = await act(client, "note", {"text": "wrote"}, key="k1")

    assert problem(other) == "idempotency-key-reused"
    changes = (await client.get(ONE)).json()["changes"]
    assert [one["detail"] for one in changes] == ["called"]


async def test_what_was_closed_can_be_opened_again(client: httpx.AsyncClient) -> None:
    await act(client, "close", {"outcome": "false"})

    reopened = (await act(client, "reopen")).json()

    assert (reopened["work"]["outcome"], reopened["work"]["done_at"]) == (None, None)
    assert [one["what"] for one in reopened["changes"]] == ["reopened", "done"]


REFUSED: list[tuple[str, object, str]] = [
    ("snooze", {"until": "2026-02-01T00:00:00Z"}, "invalid-change"),
    ("snooze", {"until": "2027-02-01T00:00:00Z"}, "invalid-change"),
    ("snooze", {"until": "soon"}, "invalid-change"),
    ("close", {"outcome": "maybe"}, "invalid-change"),
    ("assign", {}, "invalid-change"),
    ("assign", {"to": "a\nb"}, "invalid-change"),
    ("note", {"text": ""}, "invalid-change"),
    ("note", {"text": "x" * 2001}, "invalid-change"),
    ("note", {"text": "x" * 20_000}, "body-too-large"),
    ("note", [], "invalid-change"),
]


@pytest.mark.parametrize(("verb", "body", "slug"), REFUSED)
async def test_a_change_that_cannot_be_meant_is_refused(
    verb: str, body: object, slug: str, client: httpx.AsyncClient
) -> None:
    assert problem(await act(client, verb, body)) == slug

    assert (await client.get(ONE)).json()["changes"] == []


async def test_a_change_says_which_revision_it_is_of(client: httpx.AsyncClient) -> None:
    assert problem(await client.post(f"{ONE}/ack")) == "alert-revision-required"


async def test_who_may_only_read_changes_nothing(client: httpx.AsyncClient) -> None:
    client.headers["Authorization"] = f"Bearer {KEY}"

    assert problem(await act(client, "ack")) == "forbidden"

    assert numbers(await client.get(LIST)) == [3, 2, 1]


@pytest.mark.parametrize("path", [f"{LIST}/{alert_id(7)}", f"{LIST}/none"])
async def test_an_alert_that_is_none_is_not_found(path: str, client: httpx.AsyncClient) -> None:
    assert problem(await client.get(path)) == "unknown-alert"
    assert problem(await client.post(f"{path}/ack", headers={"If-Match": "*"})) == "unknown-alert"


async def test_an_alert_is_of_the_person_that_its_person_became(client: httpx.AsyncClient, postgres_dsn: str) -> None:
    async with owner_of(postgres_dsn) as connection:
        await connection.execute(
            "UPDATE identity SET person = (SELECT id FROM identity WHERE value = 'customer:c2')"
            " WHERE value = 'customer:c1'"
        )

    found = await client.get(LIST, params={"customer": "customer:c1"})

    assert numbers(found) == [2, 1]
    assert {one["customer"] for one in found.json()["alerts"]} == {"customer:c2"}


async def test_incidents_are_listed_with_whom_they_hit_worst(client: httpx.AsyncClient, postgres_dsn: str) -> None:
    worst: list[dict[str, Any]] = [
        {"alert": str(alert_id(number)), "score_before": 60.0, "score": 20.0} for number in (1, 3, 8)
    ]
    async with owner_of(postgres_dsn) as connection:
        await connection.execute(
            "INSERT INTO incident (id, along, value, state, opened_at, changed_at, people, usual, worst)"
            " VALUES ($1, 'place', 'carrier/swift', 'open', $2, $2, 31, 0.5, $3)",
            alert_id(99),
            T,
            json.dumps(worst),
        )
        await connection.execute("UPDATE alert SET incident = $1 WHERE id = $2", alert_id(99), alert_id(1))

    answer = await client.get("/v1/incidents", params={"state": "open"})

    CONTRACT.assert_holds(answer)
    [incident] = answer.json()["incidents"]
    assert (incident["along"], incident["value"], incident["people"]) == ("place", "carrier/swift", 31)
    assert [(one["customer"], one["account"]) for one in incident["worst"]] == [
        ("customer:c1", None),
        (None, "acme"),
        (None, None),
    ]
    assert numbers(await client.get(LIST, params={"incident": incident["id"]})) == [1]
    assert (await client.get("/v1/incidents", params={"state": "resolved"})).json()["incidents"] == []
