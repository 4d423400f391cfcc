"""What the read API says about customers whose score is known from the worked examples."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

import asyncpg
import pytest

from schemas.readapi import TEXT_SHOWN_CHARS_MAX
from services.infra.pseudonyms import pseudonym
from tests.support.customers import Lived, store_person
from tests.support.databases import Databases
from tests.support.openapi import Contract
from tests.support.readapi import HASH_KEY, T, example_catalogue, read_client

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ANNA = "customer:anna"
BROWSER = "anonymous:b1"
ORDER = [
    Lived(ANNA, "checkout.done", T - 9 * DAY, 0.4, channel="web"),
    Lived(ANNA, "parcel.delivered", T - 2 * DAY, -0.713495, channel="delivery", place="carrier/inpost"),
    Lived(BROWSER, "call.taken", T - DAY, -0.849057, channel="contact_centre"),
    Lived(BROWSER, "case.solved", T - DAY + HOUR, 0.6, channel="contact_centre"),
    Lived(BROWSER, "survey.answered", T, 0.5, channel="survey"),
]
"""The order of the score's worked example, under two identities of one person."""

POINTS = {
    "checkout.done": 1.329929,
    "parcel.delivered": -13.652573,
    "call.taken": -8.970818,
    "case.solved": 4.118089,
    "survey.answered": 4.385718,
}


@pytest.fixture
async def anna(postgres_dsn: str) -> str:
    await store_person(postgres_dsn, ORDER, customer=ANNA, version=7)
    return postgres_dsn


async def test_a_score_is_what_the_worked_example_says_whatever_identity_is_asked_for(anna: str) -> None:
    async with read_client(anna) as client:
        answers = [await client.get(f"/v1/customers/{name}") for name in (ANNA, BROWSER)]

    for answer in answers:
        CONTRACT.assert_holds(answer)
        body = answer.json()
        assert body["customer"] == ANNA
        assert body["identities"] == [ANNA, BROWSER]
        assert body["score"] == pytest.approx(37.210345, abs=1e-5)
        assert body["confidence"] == pytest.approx(0.704906, abs=1e-6)
        assert body["se"] == pytest.approx(15.640955, abs=1e-5)
        assert body["band"] == "low"
        assert body["version"] == 7
        assert body["model_version"] == example_catalogue().model_version
        assert body["at"] == "2026-03-01T12:00:00Z"
        assert body["alerts"] == []


async def test_identities_that_lived_the_same_hour_are_added_before_the_cap(databases: Databases) -> None:
    dice = random.Random(3)
    lived = [
        Lived(
            ANNA,
            dice.choice(list(POINTS)),
            T - dice.randrange(40) * HOUR,
            dice.choice((-1.0, -0.7, 0.3, 0.9)),
            place=dice.choice(("", "store/1", "store/2")),
            event_id=f"e{number}",
        )
        for number in range(120)
    ]
    shared = [event._replace(identity=dice.choice((ANNA, BROWSER, "loyalty:l1"))) for event in lived]
    dice.shuffle(shared)

    answers = []
    for history in (lived, shared):
        name = await databases.create()
        dsn = databases.server.dsn_of(name)
        await store_person(dsn, history, customer=ANNA, version=7)
        async with read_client(dsn) as client:
            answers.append([(await client.get(f"/v1/customers/{ANNA}{part}")).json() for part in ("", "/receipt")])
        await databases.drop(name)

    (alone, receipt_alone), (together, receipt_together) = answers
    assert together | {"identities": [ANNA]} == alone
    assert receipt_together == receipt_alone


async def test_windows_and_dimensions_are_read_from_the_same_tallies(anna: str) -> None:
    async with read_client(anna) as client:
        body = (await client.get(f"/v1/customers/{ANNA}")).json()

    windows = body["windows"]
    assert windows["24h"]["score"] == pytest.approx(66.442953, abs=1e-5)
    assert windows["24h"]["confidence"] == pytest.approx(0.538462, abs=1e-6)
    assert windows["7d"]["score"] == pytest.approx(35.002559, abs=1e-5)
    assert windows["30d"]["score"] == pytest.approx(37.078895, abs=1e-5)
    assert windows["90d"] == windows["30d"]
    assert set(body["dimensions"]) == {
        "touchpoint", "channel", "stage", "category", "driver", "control", "place",
    }  # fmt: skip
    assert set(body["dimensions"]["stage"]) == {"purchase", "fulfilment", "support"}
    assert set(body["dimensions"]["place"]) == {"carrier/inpost"}
    assert body["dimensions"]["stage"]["fulfilment"] == body["dimensions"]["place"]["carrier/inpost"]


@pytest.mark.parametrize(("period", "began"), [("day", T - DAY), ("week", T - 7 * DAY), ("month", T - 30 * DAY)])
async def test_a_change_is_the_score_less_that_of_the_period_before(anna: str, period: str, began: datetime) -> None:
    async with read_client(anna) as client:
        now = (await client.get(f"/v1/customers/{ANNA}")).json()
        before = (await client.get(f"/v1/customers/{ANNA}", params={"at": began.isoformat()})).json()

    change = now["change"][period]
    assert change["points"] == pytest.approx(now["score"] - before["score"], abs=2e-9)
    assert change["points"] == pytest.approx(change["came"] + change["faded"] + change["fell_out"], abs=2e-9)
    assert change["significant"] is (abs(change["points"]) >= 5)


async def test_a_customer_unknown_a_week_ago_can_have_a_significant_change(postgres_dsn: str) -> None:
    await store_person(
        postgres_dsn, [Lived(ANNA, "parcel.delivered", T - DAY, -0.9, channel="delivery")], customer=ANNA, version=7
    )
    async with read_client(postgres_dsn) as client:
        change = (await client.get(f"/v1/customers/{ANNA}")).json()["change"]["week"]

    assert change["points"] == change["came"] < -5
    assert (change["faded"], change["fell_out"], change["significant"]) == (0, 0, True)


async def test_a_past_score_ignores_what_came_later(anna: str) -> None:
    async with read_client(anna) as client:
        answer = await client.get(f"/v1/customers/{ANNA}", params={"at": "2026-02-20T13:00:00+01:00"})

    body = answer.json()
    assert body["at"] == "2026-02-20T12:00:00Z"
    assert set(body["dimensions"]["touchpoint"]) == {"checkout.done"}
    assert body["score"] > 50


async def test_a_receipt_adds_up_to_the_score(anna: str) -> None:
    async with read_client(anna) as client:
        answer = await client.get(f"/v1/customers/{BROWSER}/receipt")

    CONTRACT.assert_holds(answer)
    body = answer.json()
    points = {leaf["touchpoint"]: leaf["points"] for leaf in body["leaves"]}
    assert points == pytest.approx(POINTS, abs=1e-5)
    assert body["prior"] + sum(points.values()) == pytest.approx(body["score"], abs=1e-8)
    assert [leaf["touchpoint"] for leaf in body["leaves"]] == sorted(POINTS, key=lambda name: -abs(POINTS[name]))
    assert all(leaf["events"] == 1 for leaf in body["leaves"])


async def test_a_receipt_of_many_equal_leaves_adds_up_too(postgres_dsn: str) -> None:
    many = [Lived(ANNA, "call.taken", T - HOUR, -0.0371, place=f"store/{n}", event_id=f"c{n}") for n in range(300)]
    await store_person(postgres_dsn, many, customer=ANNA, version=1)

    async with read_client(postgres_dsn) as client:
        body = (await client.get(f"/v1/customers/{ANNA}/receipt")).json()

    points = [*(leaf["points"] for leaf in body["leaves"]), body["others"]["points"]]
    assert body["prior"] + math.fsum(points) == pytest.approx(body["score"], abs=1e-8)


async def test_a_receipt_shows_the_newest_ten_events_behind_a_leaf(postgres_dsn: str) -> None:
    many = [Lived(ANNA, "call.taken", T - n * HOUR, -0.1, event_id=f"call-{n}") for n in range(12)]
    await store_person(postgres_dsn, many, customer=ANNA, version=1)

    async with read_client(postgres_dsn) as client:
        (leaf,) = (await client.get(f"/v1/customers/{ANNA}/receipt")).json()["leaves"]

    assert leaf["events"] == 12
    assert [event["id"] for event in leaf["latest"]] == [f"call-{n}" for n in range(10)]
    assert leaf["latest"][0] == {
        "source": "shop", "id": "call-0", "occurred_at": "2026-03-01T12:00:00Z", "valence": -0.1, "stake": 1.0,
        "rating": None, "text": None,
    }  # fmt: skip


async def test_a_journey_is_in_order_and_its_pages_meet_without_gap_or_overlap(anna: str) -> None:
    async with read_client(anna) as client:
        whole = await client.get(f"/v1/customers/{ANNA}/journey")
        pages: list[list[dict[str, object]]] = []
        cursor = None
        while True:
            asked = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(f"/v1/customers/{ANNA}/journey", params=asked)).json()
            pages.insert(0, page["touchpoints"])
            cursor = page["next"]
            if cursor is None:
                break

    CONTRACT.assert_holds(whole)
    touchpoints = whole.json()["touchpoints"]
    assert [each["touchpoint"] for each in touchpoints] == [event.touchpoint for event in ORDER]
    assert [len(page) for page in pages] == [1, 2, 2]
    assert [each for page in pages for each in page] == touchpoints
    assert touchpoints[1] == {
        "id": "e1", "source": "shop", "identity": ANNA, "touchpoint": "parcel.delivered", "label": "parcel.delivered",
        "channel": "delivery", "place": "carrier/inpost", "stage": "fulfilment", "stage_label": "Fulfilment", "category": "process",
        "occurred_at": "2026-02-27T12:00:00Z", "received_at": "2026-02-27T12:00:00Z",
        "valence": -0.713495, "stake": 1.0, "rating": None, "text": None,
    }  # fmt: skip


async def test_events_of_one_instant_are_paged_without_loss(postgres_dsn: str) -> None:
    twins = [Lived(ANNA, "call.taken", T, 0.1, event_id=f"twin-{n}") for n in range(5)]
    await store_person(postgres_dsn, twins, customer=ANNA, version=1)

    async with read_client(postgres_dsn) as client:
        seen, asked = [], {"limit": "2"}
        while True:
            page = (await client.get(f"/v1/customers/{ANNA}/journey", params=asked)).json()
            seen += [event["id"] for event in page["touchpoints"]]
            if page["next"] is None:
                break
            asked["cursor"] = page["next"]

    assert sorted(seen) == [f"twin-{n}" for n in range(5)]


async def test_a_customer_is_found_by_e_mail_and_phone_through_their_hashes(postgres_dsn: str) -> None:
    email = f"email_hash:{pseudonym(HASH_KEY, 'email', 'Anna@Example.com')}"
    phone = f"phone_hash:{pseudonym(HASH_KEY, 'phone', '+48 600 100 200')}"
    events = [Lived(name, "call.taken", T, 0.5) for name in (email, phone)]
    await store_person(postgres_dsn, events, customer=email, version=1)

    async with read_client(postgres_dsn) as client:
        answers = [
            await client.get(f"/v1/customers/{name}")
            for name in ("email:anna@example.com", "email%3AANNA%40example.com", "phone:%2B48600100200", email)
        ]

    for answer in answers:
        assert answer.json()["identities"] == [email, phone]


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("customer:a/b?c#d", "customer:a%2Fb%3Fc%23d"),
        ("customer:100%", "customer:100%25"),
        ("customer:a:b c", "customer:a:b%20c"),
        ("customer:Zażółć ✓ 客户", "customer:Za%C5%BC%C3%B3%C5%82%C4%87%20%E2%9C%93%20%E5%AE%A2%E6%88%B7"),
        ("customer:..", "customer:%2E%2E"),
        ("x-till-card:A+1&2=3", "x-till-card:A+1%262=3"),
    ],
)
async def test_an_id_may_hold_any_printable_character(postgres_dsn: str, name: str, encoded: str) -> None:
    await store_person(postgres_dsn, [Lived(name, "call.taken", T, 0.5)], customer=name, version=1)

    async with read_client(postgres_dsn) as client:
        answers = [await client.get(f"/v1/customers/{encoded}{rest}") for rest in ("", "/receipt", "/journey")]

    for answer in answers:
        CONTRACT.assert_holds(answer)
        assert answer.json()["customer"] == name


async def test_alerts_of_the_person_are_shown_newest_first(anna: str) -> None:
    connection = await asyncpg.connect(anna)
    person = await connection.fetchval("SELECT id FROM identity WHERE value = $1", BROWSER)
    for number, state in enumerate(("closed", "open")):
        await connection.execute(
            "INSERT INTO alert (id, rule, person, severity, state, opened_at, changed_at, score_before, score,"
            " tipped_source, tipped_event, reasons)"
            " VALUES (gen_random_uuid(), 'drop', $1, 'warning', $2, $3, $3, 61.5, 37.25, 'shop', 'e1', '[]')",
            person,
            state,
            T - (5 - number) * DAY,
        )
    await connection.close()

    async with read_client(anna) as client:
        answer = await client.get(f"/v1/customers/{ANNA}")
        past = await client.get(f"/v1/customers/{ANNA}", params={"at": "2026-02-25T00:00:00Z"})

    CONTRACT.assert_holds(answer)
    assert [alert["state"] for alert in answer.json()["alerts"]] == ["open", "closed"]
    assert answer.json()["alerts"][0]["score_before"] == 61.5
    assert [alert["state"] for alert in past.json()["alerts"]] == ["closed"]


ANSWERED = {
    "rating": {"value": 2, "scale": {"lo": 1, "mid": 3, "hi": 5}},
    "text": "Still waiting \u2026 \u017b\u00f3\u0142w",
}


async def test_a_journey_and_a_receipt_show_what_the_customer_answered_and_wrote(postgres_dsn: str) -> None:
    lived = [
        Lived(ANNA, "survey.answered", T, -0.5, channel="survey", data=ANSWERED),
        Lived(ANNA, "survey.answered", T - HOUR, -0.5, channel="survey", data={"rating": {"value": 4}}),
        Lived(ANNA, "survey.answered", T - 2 * HOUR, -0.5, channel="survey", data={"rating": "odd", "text": "a\0b"}),
    ]
    await store_person(postgres_dsn, lived, customer=ANNA, version=7)
    async with read_client(postgres_dsn) as client:
        journey, receipt = [await client.get(f"/v1/customers/{ANNA}/{part}") for part in ("journey", "receipt")]

    for answer in (journey, receipt):
        CONTRACT.assert_holds(answer)
    for events in (journey.json()["touchpoints"][::-1], receipt.json()["leaves"][0]["latest"]):
        assert [(event["rating"], event["text"]) for event in events] == [
            (ANSWERED["rating"], ANSWERED["text"]),
            ({"value": 4, "scale": None}, None),
            (None, None),
        ]


@pytest.mark.parametrize(
    ("header", "language", "label"),
    [
        (None, "en", "Survey"),
        ("pl-PL,pl;q=0.9,en;q=0.8", "pl", "Ankieta"),
        ("en;q=0.3, pl;q=0.4", "pl", "Ankieta"),
        ("de", "en", "Survey"),
    ],
)
@pytest.mark.parametrize("part", ["receipt", "journey"])
async def test_a_receipt_and_a_journey_speak_the_language_that_is_asked_for(
    anna: str, part: str, header: str | None, language: str, label: str
) -> None:
    headers = {} if header is None else {"Accept-Language": header}
    async with read_client(anna) as client:
        answer = await client.get(f"/v1/customers/{ANNA}/{part}", headers=headers)
        again = await client.get(
            f"/v1/customers/{ANNA}/{part}", headers={**headers, "If-None-Match": answer.headers["etag"]}
        )
        other = await client.get(
            f"/v1/customers/{ANNA}/{part}", headers={"Accept-Language": "pl", "If-None-Match": '"7"'}
        )

    body = answer.json()
    labels = {one["touchpoint"]: one["label"] for one in body.get("leaves", body.get("touchpoints"))}
    CONTRACT.assert_holds(answer)
    assert labels["survey.answered"] == label
    assert labels["call.taken"] == "call.taken"
    assert answer.headers["content-language"] == language
    assert answer.headers["vary"] == "Accept-Language"
    assert other.headers["content-language"] == "pl"
    assert other.status_code == 200
    assert again.status_code in {200, 304}


@pytest.mark.parametrize("size", [TEXT_SHOWN_CHARS_MAX, TEXT_SHOWN_CHARS_MAX + 1, 8000])
async def test_of_a_long_comment_the_beginning_is_shown_with_a_mark(postgres_dsn: str, size: int) -> None:
    lived = [Lived(ANNA, "survey.answered", T, -0.5, data={"text": "\u017c" * size})]
    await store_person(postgres_dsn, lived, customer=ANNA, version=7)
    async with read_client(postgres_dsn) as client:
        journey, receipt = [await client.get(f"/v1/customers/{ANNA}/{part}") for part in ("journey", "receipt")]

    for answer in (journey, receipt):
        CONTRACT.assert_holds(answer)
    for event in (journey.json()["touchpoints"][0], receipt.json()["leaves"][0]["latest"][0]):
        assert len(event["text"]) == TEXT_SHOWN_CHARS_MAX
        assert event["text"].endswith("\u2026") == (size > TEXT_SHOWN_CHARS_MAX)
