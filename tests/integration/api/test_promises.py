"""What the read API says of promises: what is open, at any hour; why; and what would be without what kept it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.infra.clock import SystemClock
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.roles import WORKER
from tests.support.chunks import chunk
from tests.support.databases import as_role
from tests.support.openapi import Contract
from tests.support.promises import CATALOGUE, START, WHO, Recount, at, crossed_lives, said
from tests.support.readapi import read_client
from tests.support.said_log import END, PARTITIONS, SaidLog

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
NOW = START + timedelta(days=10)
NOW_MS = int(NOW.timestamp() * 1000)
NOW_HOUR = NOW_MS // 3_600_000
A = "customer:a"
ORDERED = said("e-1", "order.completed", hours=0, order="7", promised_at=at(48))
TOLD_AGAIN = said("e-2", "order.completed", hours=1, order="7")
BROUGHT = said("e-3", "delivery.delivered", hours=100, order="7")


async def count(dsn: str, values: Sequence[bytes], *, first: int = 0, at_ms: int = NOW_MS) -> None:
    store = await Database.open(PostgresSettings(dsn=SecretStr(as_role(dsn, WORKER))), lanes=1)
    worker = await Pipeline.on(store, SaidLog(store), CATALOGUE, cache_rows_max=10_000, clock=SystemClock())
    await worker.take_ownership({("cx.touchpoints.v1", part): Bounds(0, END) for part in range(PARTITIONS)})
    await worker.process(chunk(values, first=first, at_ms=at_ms))
    await worker.close()


@pytest.fixture
async def client(postgres_dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    async with read_client(postgres_dsn, catalogue=CATALOGUE, now=NOW) as opened:
        yield opened


def score_of(values: Sequence[bytes], *, hour: int = NOW_HOUR) -> float:
    """The score of one who is alone, from all these events at once."""
    return Recount.of(values, CATALOGUE, at_ms=NOW_MS).score(A, {A: A}, at_hour=hour)


async def receipt(client: httpx.AsyncClient, **parameters: str) -> dict[tuple[str, str], tuple[float, int]]:
    """Points and events by touchpoint and channel."""
    answer = await client.get(f"/v1/customers/{A}/receipt", params=parameters)
    CONTRACT.assert_holds(answer)
    return {(one["touchpoint"], one["channel"]): (one["points"], one["events"]) for one in answer.json()["leaves"]}


async def test_a_promise_that_is_open_counts_and_is_a_reason_of_its_own(
    client: httpx.AsyncClient, postgres_dsn: str
) -> None:
    await count(postgres_dsn, [ORDERED])

    answer = await client.get(f"/v1/customers/{A}")
    leaves = await receipt(client)

    CONTRACT.assert_holds(answer)
    assert answer.json()["score"] == pytest.approx(score_of([ORDERED]), abs=1e-9)
    assert answer.json()["dimensions"]["touchpoint"]["delivery.promise_missed"]["score"] < 40
    points, events = leaves["delivery.promise_missed", "delivery"]
    assert (points < -10, events) == (True, 0)
    assert leaves["order.completed", "web"][1] == 1


@pytest.mark.parametrize("hours", [0, 47, 49, 80, 99, 101, 240])
async def test_at_any_hour_it_is_what_was_known_of_that_hour(
    hours: int, client: httpx.AsyncClient, postgres_dsn: str
) -> None:
    lived = [ORDERED, TOLD_AGAIN, BROUGHT]
    await count(postgres_dsn, lived)

    answer = await client.get(f"/v1/customers/{A}", params={"at": at(hours)})

    expected = score_of(lived, hour=NOW_HOUR - 240 + hours)
    assert answer.json()["score"] == pytest.approx(expected, abs=1e-9)


async def test_what_is_told_twice_counts_once(client: httpx.AsyncClient, postgres_dsn: str) -> None:
    await count(postgres_dsn, [ORDERED, TOLD_AGAIN])

    leaves = await receipt(client)
    told = {one["touchpoint"]: one for one in (await client.get(f"/v1/customers/{A}/receipt")).json()["leaves"]}

    assert leaves["order.completed", "web"][1] == 2
    assert told["order.completed"]["also_told"] == [{"about": "order/7", "source": "shop", "id": "e-2"}]
    assert told["delivery.promise_missed"]["promises"] == [{"kind": "order", "about": "order/7", "part": ""}]
    alone = score_of([ORDERED])
    assert (await client.get(f"/v1/customers/{A}")).json()["score"] == pytest.approx(alone, abs=1e-9)


@pytest.mark.parametrize("without", ["e-1", "e-2", "e-3"])
async def test_without_an_event_is_without_its_facts(
    without: str, client: httpx.AsyncClient, postgres_dsn: str
) -> None:
    lived = {"e-1": ORDERED, "e-2": TOLD_AGAIN, "e-3": BROUGHT}
    await count(postgres_dsn, [*lived.values()])

    question = {"customer": A, "without": [{"source": "shop", "id": without}]}
    answer = await client.post("/v1/whatif", json=question)

    CONTRACT.assert_holds(answer)
    rest = [value for name, value in lived.items() if name != without]
    assert answer.json()["before"]["score"] == pytest.approx(score_of([*lived.values()]), abs=1e-9)
    assert answer.json()["after"]["score"] == pytest.approx(score_of(rest), abs=1e-9)


async def test_what_was_told_once_may_have_been_felt_otherwise(client: httpx.AsyncClient, postgres_dsn: str) -> None:
    await count(postgres_dsn, [ORDERED])

    question = {"customer": A, "changed": [{"source": "shop", "id": "e-1", "valence": -1, "stake": 2}]}
    body = (await client.post("/v1/whatif", json=question)).json()

    moved = {(one["touchpoint"], one["after"] < one["before"]) for one in body["leaves"]}
    assert ("order.completed", True) in moved
    assert body["difference"] < -5


async def test_a_promise_that_fell_due_is_what_moved_a_score(client: httpx.AsyncClient, postgres_dsn: str) -> None:
    await count(postgres_dsn, [ORDERED])

    answer = await client.get(f"/v1/customers/{A}/change", params={"over": "day", "at": at(60)})

    CONTRACT.assert_holds(answer)
    missed, *_ = answer.json()["leaves"]
    before, after = (score_of([ORDERED], hour=NOW_HOUR - 240 + hours) for hours in (36, 60))
    assert answer.json()["change"]["points"] == pytest.approx(after - before, abs=1e-8)
    assert (missed["touchpoint"], missed["events"], missed["came"] < 0) == ("delivery.promise_missed", 0, True)
    assert missed["promises"] == [{"kind": "order", "about": "order/7", "part": ""}]


@pytest.mark.parametrize("seed", range(2))
async def test_a_history_with_promises_is_what_is_answered_at_each_moment(
    seed: int, client: httpx.AsyncClient, postgres_dsn: str
) -> None:
    await count(postgres_dsn, crossed_lives(Random(seed), 60))

    asked = {"from": at(-24), "to": at(240), "dimension": "touchpoint"}
    history = await client.get(f"/v1/customers/{A}/history", params=asked)
    points, values = history.json()["points"], history.json()["values"]
    singles = [(await client.get(f"/v1/customers/{A}", params={"at": point["at"]})).json() for point in points]

    CONTRACT.assert_holds(history)
    assert len(points) == 12
    for place, (point, single) in enumerate(zip(points, singles, strict=True)):
        assert (point["score"], point["band"]) == (single["score"], single["band"])
        for touchpoint, cell in single["dimensions"]["touchpoint"].items():
            assert {name: column[place] for name, column in values[touchpoint].items()} == cell


def arriving(values: Sequence[bytes], random: Random) -> list[tuple[int, bytes]]:
    """Events of people of one name each, some of which come hours or days late, by the hour of their arrival."""
    late = []
    for value in values:
        event = json.loads(value)
        event["data"]["identities"] = event["data"]["identities"][:1]
        came = datetime.fromisoformat(event["time"]) + timedelta(hours=random.choice((0, 0, 3, 70)) * random.random())
        event["receivedat"] = came.isoformat().replace("+00:00", "Z")
        late.append((int(came.timestamp()) // 3600, json.dumps(event).encode()))
    return sorted(late)


def timeless(answer: Mapping[str, Any]) -> dict[str, Any]:
    """All but its version, and how its alerts stand by now: which there are is known of any hour."""
    alerts = [{name: alert[name] for name in ("id", "rule", "opened_at")} for alert in answer["alerts"]]
    return {**answer, "version": 0, "alerts": alerts}


@pytest.mark.parametrize("seed", range(2))
async def test_what_was_known_then_is_what_was_answered_at_that_hour(seed: int, postgres_dsn: str) -> None:
    random = Random(seed)
    rest, next_offset = arriving(crossed_lives(random, 90), random), 0
    told: dict[tuple[str, str], dict[str, Any]] = {}
    async with read_client(postgres_dsn, catalogue=CATALOGUE, now=NOW + timedelta(hours=160)) as client:
        for hours in range(30, 400, 53):
            hour = NOW_HOUR - 240 + hours
            arrived = [value for came, value in rest if came <= hour]
            rest = [(came, value) for came, value in rest if came > hour]
            await count(postgres_dsn, arrived, first=next_offset, at_ms=hour * 3_600_000)
            next_offset += len(arrived)
            for who in WHO:
                answer = await client.get(f"/v1/customers/{who}", params={"at": at(hours)})
                if answer.status_code == 200:
                    told[who, at(hours)] = answer.json()

        then = {
            (who, moment): await client.get(f"/v1/customers/{who}", params={"at": moment, "known": "then"})
            for who, moment in told
        }

    assert not rest
    assert len(told) > 20
    for key, answer in then.items():
        CONTRACT.assert_holds(answer)
        assert timeless(answer.json()) == timeless(told[key])


@pytest.mark.parametrize("seed", range(3))
async def test_answers_are_as_if_all_events_were_read_at_once(
    seed: int, client: httpx.AsyncClient, postgres_dsn: str
) -> None:
    values = crossed_lives(Random(seed), 60)
    await count(postgres_dsn, values)
    recount = Recount.of(values, CATALOGUE, at_ms=NOW_MS)

    answers = {one.subject: (await client.get(f"/v1/customers/{one.subject}")).json() for one in recount.events}

    person_of = {name: answer["customer"] for name, answer in answers.items()}
    for answer in answers.values():
        expected = recount.score(answer["customer"], person_of, at_hour=NOW_HOUR)
        assert answer["score"] == pytest.approx(expected, abs=1e-9)


async def test_a_history_and_a_change_know_promises_as_they_stood(client: httpx.AsyncClient, postgres_dsn: str) -> None:
    lived = [ORDERED, TOLD_AGAIN, BROUGHT]
    await count(postgres_dsn, lived)

    history = (await client.get(f"/v1/customers/{A}/history", params={"from": at(24)})).json()
    change = await client.get(f"/v1/customers/{A}/change", params={"over": "week"})

    scores = {point["at"]: point["score"] for point in history["points"]}
    for days in range(10):
        expected = score_of(lived, hour=NOW_HOUR - 24 * days)
        assert scores[at(240 - 24 * days)] == pytest.approx(expected, abs=1e-9)
    CONTRACT.assert_holds(change)
    moved = {leaf["touchpoint"] for leaf in change.json()["leaves"]}
    assert "delivery.delivered" in moved
