"""What AfterShip tells of parcels, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.deliveries import kept

TRACKING = {"id": "t1", "tracking_number": "P1", "slug": "ups", "tag": "Delivered", "emails": ["ana@example.com"]}


def update(**changes: object) -> dict[str, Any]:
    return {"event": "tracking_update", "event_id": "e1", "msg": {**TRACKING, **changes}, "ts": 1772366340}


@pytest.mark.parametrize(
    ("tag", "subtag", "touchpoint"),
    [
        ("InTransit", "InTransit_001", "delivery.dispatched"),
        ("AttemptFail", "AttemptFail_001", "delivery.attempt_failed"),
        ("AvailableForPickup", "AvailableForPickup_001", "pos.pickup_ready"),
        ("Delivered", "Delivered_001", "delivery.delivered"),
        ("Exception", "Exception_001", "delivery.lost_or_returned"),
        ("Exception", None, "delivery.lost_or_returned"),
        ("Exception", "Exception_004", "delivery.delay_notified"),
        ("Exception", "Exception_005", "delivery.delay_notified"),
        ("Expired", "Expired_001", "delivery.lost_or_returned"),
    ],
)
async def test_a_state_is_known_by_its_touchpoint_and_the_tracking(
    tag: str, subtag: str | None, touchpoint: str
) -> None:
    (record,) = await kept("aftership", update(tag=tag, subtag=subtag))

    assert record["id"] == f"{touchpoint}/t1"
    assert record["time"] == "2026-03-01T11:59:00Z"
    assert record["data"]["place"] == "carrier/ups"


@pytest.mark.parametrize(
    ("named", "subject"),
    [
        ({"order_id": "R1"}, "email_hash:"),
        ({"emails": ["ana@example.com", "Ana@example.com "]}, "email_hash:"),
        ({"emails": None, "customers": [{"email": "ana@example.com"}]}, "email_hash:"),
        ({"emails": [], "order_id": "R1"}, "x-aftership-order:R1"),
        ({"emails": ["ana@example.com", "ben@example.com"]}, "x-tracking:P1"),
        ({"emails": [7, None, {}], "customers": [[]]}, "x-tracking:P1"),
        ({"emails": "ana@example.com"}, "x-tracking:P1"),
    ],
)
async def test_a_parcel_is_about_its_address_else_about_its_order_and_its_number(
    named: dict[str, object], subject: str
) -> None:
    (record,) = await kept("aftership", update(**named))

    assert record["subject"].startswith(subject)
    assert record["data"].get("order") == named.get("order_id")


async def test_an_order_and_a_number_are_one_person_s() -> None:
    (record,) = await kept("aftership", update(emails=[], order_id="R1"))

    assert record["data"]["identities"] == [
        {"kind": "x-aftership-order", "value": "R1"},
        {"kind": "x-tracking", "value": "P1"},
    ]


@pytest.mark.parametrize(
    ("tag", "expected", "properties"),
    [
        ("Delivered", "2026-03-01T16:00:00+01:00", {"promised_at": "2026-03-01T16:00:00+01:00"}),
        ("InTransit", "2026-03-01T16:00:00+01:00", {"promised_at": "2026-03-01T16:00:00+01:00"}),
        ("Delivered", "2026-03-01T00:00:00+01:00", {"promised_at": "2026-03-01+01:00"}),
        ("Delivered", "2026-03-01T00:00:00Z", {"promised_at": "2026-03-01Z"}),
        ("Delivered", "2026-03-01T16:00:00", {}),
        ("Delivered", "2026-03-01", {}),
        ("Delivered", "1772366341", {}),
        ("Delivered", 1772366340, {}),
        ("AttemptFail", "2026-03-01T16:00:00+01:00", {}),
    ],
)
async def test_only_a_full_instant_is_a_promise_and_midnight_is_its_day(
    tag: str, expected: object, properties: dict[str, str]
) -> None:
    (record,) = await kept("aftership", update(tag=tag, expected_delivery=expected))

    assert record["data"]["properties"] == {"parcel": "P1", **properties}


@pytest.mark.parametrize("slug", [None, "", 7.5, "x" * 90, "a\nb"])
async def test_a_carrier_without_a_name_costs_no_event(slug: object) -> None:
    (record,) = await kept("aftership", update(slug=slug))

    assert "place" not in record["data"]


@pytest.mark.parametrize(
    "said",
    [
        update(tag="InfoReceived"),
        update(tag="OutForDelivery"),
        update(tag=["Delivered"]),
        update(id=None),
        update(emails=None, tracking_number=None),
        {**update(), "event": "edd_revise"},
        {**update(), "msg": []},
    ],
)
async def test_what_is_of_no_use_makes_no_event(said: dict[str, Any]) -> None:
    assert await kept("aftership", said) == []
