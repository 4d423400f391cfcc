"""What WooCommerce delivers, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from services.ingest.adapters.woocommerce import TOPICS, happened, pings
from services.ingest.head import Head
from services.ingest.hooks import Delivery
from tests.support.deliveries import delivered, once, who
from tests.support.doors import memory_client
from tests.support.hooks import hook_sources, signed
from tests.support.memory_log import MemoryLog

ORDER = {
    "id": 456,
    "status": "processing",
    "date_created_gmt": "2026-03-01T09:00:00",
    "date_modified_gmt": "2026-03-01T10:00:00",
    "total": "12.50",
    "customer_id": 25,
    "billing": {"email": "ana@example.com", "phone": "(555) 555-5555"},
}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def of(topic: str) -> dict[str, str]:
    return {"x-wc-webhook-topic": topic}


async def posted(body: bytes, headers: Mapping[str, str]) -> tuple[int, int]:
    """The answer's status, and how many records the log has."""
    log = MemoryLog()
    async with memory_client(log, sources=hook_sources()) as client:
        answer = await client.post("/hooks/woocommerce/our-woocommerce", content=body, headers=headers)
    return answer.status_code, len(log.records)


async def test_an_order_counts_once_whatever_tells_of_it_first() -> None:
    completed = {**ORDER, "status": "completed", "date_modified_gmt": "2026-03-01T11:00:00", "total": "13.00"}

    record = once(
        [
            *await delivered("woocommerce", completed, ORDER, headers=of("order.updated")),
            *await delivered("woocommerce", ORDER, headers=of("order.created")),
        ]
    )

    assert (record["id"], record["time"]) == ("order.completed/456", "2026-03-01T09:00:00Z")
    assert record["data"]["order"] == "456"
    assert who(record) == {"x-woocommerce", "x-woocommerce-order", "email_hash"}


@pytest.mark.parametrize(
    ("status", "touchpoint"),
    [
        ("cancelled", "order.cancelled_by_shop"),
        ("refunded", "refund.completed"),
        ("failed", "payment.failed"),
        ("pending", None),
        ("on-hold", None),
        ("checkout-draft", None),
        (None, None),
        (["processing"], None),
    ],
)
@pytest.mark.parametrize("topic", ["order.created", "order.updated"])
async def test_an_order_s_status_says_what_became_of_it(topic: str, status: object, touchpoint: str | None) -> None:
    records = await delivered("woocommerce", {**ORDER, "status": status}, headers=of(topic))

    assert [one["id"] for one in records] == ([] if touchpoint is None else [f"{touchpoint}/456"])
    assert [one["time"] for one in records] == ["2026-03-01T10:00:00Z"] * len(records)


async def test_a_customer_who_signs_up_is_the_one_who_orders() -> None:
    customer = {"id": 25, "date_created_gmt": "2026-03-01T09:00:00", "email": "ana@example.com"}

    (record,) = await delivered("woocommerce", customer, headers=of("customer.created"))
    (ordered,) = await delivered("woocommerce", ORDER, headers=of("order.created"))

    assert (record["id"], record["data"]["touchpoint"]) == ("account.signed_up/25", "account.signed_up")
    known = {"kind": "x-woocommerce", "value": "our-woocommerce/25"}
    assert known in record["data"]["identities"]
    assert known in ordered["data"]["identities"]


@pytest.mark.parametrize("nobody", [0, "0", None, False, ""], ids=repr)
async def test_a_guest_is_known_by_address_and_order_and_is_no_customer(nobody: object) -> None:
    (record,) = await delivered("woocommerce", {**ORDER, "customer_id": nobody}, headers=of("order.created"))

    assert who(record) == {"x-woocommerce-order", "email_hash"}


async def test_the_numbers_of_two_shops_are_never_one_person() -> None:
    told = [
        happened(Delivery(Head([("x-wc-webhook-topic", "order.created")], named={"source": shop}), ORDER))
        for shop in ("old-town", "new-town")
    ]

    here, there = ({str(one) for event in events for one in _numbers(event)} for events in told)
    assert len(here) == len(there) == 2
    assert not here & there


def _numbers(event: Mapping[str, Any]) -> list[str]:
    return [one["value"] for one in event["data"]["identities"] if one["kind"].startswith("x-")]


@pytest.mark.parametrize("topic", ["order.deleted", "product.created", "coupon.updated", "action.woocommerce_x", ""])
async def test_of_anything_else_it_makes_nothing(topic: str) -> None:
    assert await delivered("woocommerce", ORDER, headers=of(topic)) == []


async def test_the_ping_of_a_new_webhook_is_answered_and_makes_no_event() -> None:
    assert await posted(b"webhook_id=12", FORM) == (200, 0)


@pytest.mark.parametrize("headers", [{}, FORM, {"content-type": "application/json"}], ids=str)
@pytest.mark.parametrize(
    "body",
    [
        json.dumps(ORDER).encode(),
        b"webhook_id=12&" + json.dumps(ORDER).encode(),
        json.dumps(ORDER).encode() + b"\nwebhook_id=12",
        json.dumps({"webhook_id": 12}).encode(),
        b'"webhook_id=12"',
        b"webhook_id=12\n",
        b"webhook_id=",
        b"webhook_id=" + b"1" * 21,
        b"webhook_id=\xd9\xa1",
        b"12",
        b"",
    ],
)
async def test_nothing_unsigned_gets_in_as_a_ping(body: bytes, headers: dict[str, str]) -> None:
    assert await posted(body, {**headers, **of("order.created")}) == (401, 0)
    assert not pings(Head([]), body)


async def test_a_ping_that_is_signed_is_a_ping() -> None:
    assert await posted(b"webhook_id=12", {**FORM, **signed("woocommerce", b"webhook_id=12")}) == (200, 0)


@pytest.mark.parametrize("topic", sorted(TOPICS))
@pytest.mark.parametrize("said", [None, [], 7, {}, {"id": None}, {"id": {}}, {"id": [], "billing": 7}], ids=str)
def test_of_an_odd_body_it_makes_nothing(topic: str, said: object) -> None:
    assert list(happened(Delivery(Head([("x-wc-webhook-topic", topic)]), said))) == []
