"""What Shopify delivers, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from services.ingest.adapters.shopify import TOPICS, happened
from services.ingest.head import Head
from services.ingest.hooks import Delivery
from tests.support.deliveries import delivered, once, who

ORDER = {
    "id": 820982911946154508,
    "email": "ana@example.com",
    "phone": None,
    "created_at": "2026-03-01T09:00:00+01:00",
    "updated_at": "2026-03-01T09:00:05+01:00",
    "customer": {"id": 115310627314723954, "email": "ana@example.com"},
    "total_price": "12.50",
}


def of(topic: str) -> dict[str, str]:
    return {"x-shopify-topic": topic}


async def only(topic: str, said: dict[str, Any]) -> dict[str, Any]:
    (record,) = await delivered("shopify", said, headers=of(topic))
    return record


async def test_an_order_counts_once_whatever_tells_of_it_first() -> None:
    changed = {**ORDER, "total_price": "14.00", "updated_at": "2026-03-01T09:30:00+01:00"}

    record = once(
        [
            *await delivered("shopify", changed, headers=of("orders/updated")),
            *await delivered("shopify", ORDER, ORDER, headers=of("orders/create")),
            *await delivered("shopify", changed, headers=of("orders/paid")),
        ]
    )

    assert (record["data"]["touchpoint"], record["data"]["order"]) == ("order.completed", "820982911946154508")
    assert record["time"] == "2026-03-01T08:00:00Z"
    assert who(record) == {"x-shopify", "x-shopify-order", "email_hash"}


@pytest.mark.parametrize(
    ("reason", "touchpoint"),
    [
        ("customer", "order.cancelled_by_customer"),
        ("inventory", "order.cancelled_by_shop"),
        ("fraud", "order.cancelled_by_shop"),
    ],
)
async def test_a_cancellation_is_the_customer_s_or_the_shop_s(reason: str, touchpoint: str) -> None:
    cancelled = {**ORDER, "cancel_reason": reason, "cancelled_at": "2026-03-01T10:00:00+01:00"}

    record = await only("orders/cancelled", cancelled)
    updated = await delivered("shopify", cancelled, headers=of("orders/updated"))

    assert record["data"]["touchpoint"] == touchpoint
    assert record["time"] == "2026-03-01T09:00:00Z"
    assert [one["data"]["touchpoint"] for one in updated] == ["order.completed", touchpoint]
    assert updated[1]["id"] == record["id"]


@pytest.mark.parametrize(
    ("topic", "said", "touchpoint"),
    [
        ("refunds/create", {"id": 5, "order_id": 7, "created_at": "2026-03-01T10:00:00Z"}, "refund.completed"),
        ("fulfillments/create", {"id": 6, "order_id": 7, "created_at": "2026-03-01T10:00:00Z"}, "delivery.dispatched"),
        ("disputes/create", {"id": 8, "order_id": 7, "initiated_at": "2026-03-01T10:00:00Z"}, "dispute.opened"),
        ("fulfillment_events/create",
         {"id": 9, "fulfillment_id": 6, "order_id": 7, "status": "delivered", "happened_at": "2026-03-01T10:00:00Z"},
         "delivery.delivered"),
        ("fulfillment_events/create",
         {"id": 10, "fulfillment_id": 6, "order_id": 7, "status": "attempted_delivery"}, "delivery.attempt_failed"),
    ],
)  # fmt: skip
async def test_what_names_nobody_is_about_its_order_whose_customer_is_known(
    topic: str, said: dict[str, Any], touchpoint: str
) -> None:
    record = await only(topic, said)

    assert (record["subject"], record["data"]["order"]) == ("x-shopify-order:7", "7")
    assert record["data"]["touchpoint"] == touchpoint


async def test_a_parcel_that_is_told_of_twice_is_delivered_once() -> None:
    told = {"fulfillment_id": 6, "order_id": 7, "status": "delivered"}

    once(await delivered("shopify", {**told, "id": 9}, {**told, "id": 11}, headers=of("fulfillment_events/create")))


async def test_a_new_customer_signs_up() -> None:
    record = await only("customers/create", {"id": 3, "email": "ana@example.com", "created_at": "2026-03-01T10:00:00Z"})

    assert record["data"]["touchpoint"] == "account.signed_up"
    assert who(record) == {"x-shopify", "email_hash"}


async def test_a_test_order_is_kept_and_never_scored() -> None:
    record = await only("orders/create", {**ORDER, "test": True})

    assert record["data"]["class"] == "test"


@pytest.mark.parametrize("topic", [*TOPICS, "products/update", ""])
@pytest.mark.parametrize("said", [None, 7, [], {}, {"id": {}}, {"id": 1, "customer": 7, "email": ["x"], "status": {}}])
def test_nothing_that_is_said_fails(topic: str, said: object) -> None:
    events = list(happened(Delivery(Head([("x-shopify-topic", topic)]), said)))

    assert all(event["data"] for event in events)


async def test_a_notification_that_somebody_sends_to_try_it_is_kept_and_never_scored() -> None:
    (record,) = await delivered("shopify", ORDER, headers={**of("orders/create"), "x-shopify-test": "true"})

    assert record["data"]["class"] == "test"
