"""What Square delivers, and what becomes of it."""

from __future__ import annotations

import pytest

from schemas.touchpoint import IDENTITY_CHARS_MAX
from services.ingest.adapters.square import TYPES, happened
from services.ingest.head import Head
from services.ingest.hooks import Delivery
from tests.support.deliveries import delivered, once, who

PAYMENT = {
    "id": "p1",
    "status": "COMPLETED",
    "created_at": "2026-03-01T09:00:00Z",
    "customer_id": "C1",
    "order_id": "o1",
    "location_id": "L1",
}
REFUND = {
    "id": "r1",
    "status": "COMPLETED",
    "payment_id": "p1",
    "location_id": "L1",
    "created_at": "2026-03-01T09:30:00Z",
    "updated_at": "2026-03-01T10:30:00Z",
}


def told(kind: str, told_of: str, said: object, *, event_id: str = "e1") -> dict[str, object]:
    return {
        "type": kind,
        "event_id": event_id,
        "created_at": "2026-03-01T10:00:00Z",
        "data": {"type": told_of, "id": "of-the-delivery", "object": {told_of: said}},
    }


async def test_a_sale_counts_once_however_often_square_tells_of_it() -> None:
    record = once(
        await delivered(
            "square",
            told("payment.updated", "payment", {**PAYMENT, "version_token": "2"}),
            told("payment.created", "payment", PAYMENT, event_id="e0"),
            told("payment.updated", "payment", {**PAYMENT, "processing_fee": []}, event_id="e2"),
        )
    )

    assert (record["id"], record["time"]) == ("pos.sale_completed/p1", "2026-03-01T09:00:00Z")
    assert record["data"] == {
        "touchpoint": "pos.sale_completed",
        "channel": "pos",
        "place": "store/L1",
        "order": "o1",
        "identities": [{"kind": "x-square-payment", "value": "p1"}, {"kind": "x-square", "value": "C1"}],
    }


@pytest.mark.parametrize("status", ["APPROVED", "PENDING", "CANCELED", None, 7, ["COMPLETED"]])
async def test_a_payment_that_is_neither_made_nor_failed_is_no_event(status: object) -> None:
    assert await delivered("square", told("payment.updated", "payment", {**PAYMENT, "status": status})) == []


async def test_a_payment_that_failed_is_another_event_than_one_that_was_made() -> None:
    (record,) = await delivered("square", told("payment.updated", "payment", {**PAYMENT, "status": "FAILED"}))

    assert record["id"] == "payment.failed/p1"


async def test_what_names_no_customer_is_about_the_payment_which_has_named_one() -> None:
    sold, refunded, disputed = await delivered(
        "square",
        told("payment.updated", "payment", PAYMENT),
        told("refund.updated", "refund", REFUND),
        told("dispute.created", "dispute", {"id": "d1", "disputed_payment": {"payment_id": "p1"}}),
    )

    payment = {"kind": "x-square-payment", "value": "p1"}
    assert payment in sold["data"]["identities"]
    assert refunded["data"]["identities"] == disputed["data"]["identities"] == [payment]
    assert (refunded["id"], disputed["id"]) == ("refund.completed/r1", "dispute.opened/d1")
    assert [one["time"] for one in (refunded, disputed)] == ["2026-03-01T10:30:00Z", "2026-03-01T10:00:00Z"]


async def test_a_refund_counts_when_it_is_paid_and_only_then() -> None:
    pending = {**REFUND, "status": "PENDING"}

    record = once(
        await delivered(
            "square",
            told("refund.created", "refund", pending),
            told("refund.updated", "refund", REFUND),
            told("refund.updated", "refund", {**REFUND, "updated_at": "2026-03-01T10:40:00Z"}, event_id="e2"),
        )
    )

    assert record["id"] == "refund.completed/r1"


@pytest.mark.parametrize(
    ("kind", "touchpoint"),
    [
        ("ACCUMULATE_POINTS", "loyalty.points_earned"),
        ("ACCUMULATE_PROMOTION_POINTS", "loyalty.points_earned"),
        ("REDEEM_REWARD", "loyalty.reward_redeemed"),
        ("ADJUST_POINTS", None),
        ("EXPIRE_POINTS", None),
    ],
)
async def test_of_loyalty_it_tells_what_was_earned_and_redeemed(kind: str, touchpoint: str | None) -> None:
    said = {"id": "l1", "type": kind, "loyalty_account_id": "A1", "location_id": "L1"}

    records = await delivered("square", told("loyalty.event.created", "loyalty_event", said))

    assert [one["data"]["touchpoint"] for one in records] == ([] if touchpoint is None else [touchpoint])
    assert all(one["data"]["identities"] == [{"kind": "x-square-loyalty", "value": "A1"}] for one in records)


async def test_it_tells_which_customer_has_which_loyalty_account_and_which_address() -> None:
    account = {"id": "A1", "customer_id": "C1", "mapping": {"phone_number": "+14155550100"}}
    customer = {"id": "C1", "email_address": "ana@example.com"}

    linked, addressed = await delivered(
        "square",
        told("loyalty.account.created", "loyalty_account", account),
        told("customer.created", "customer", customer),
    )

    assert {one["data"]["touchpoint"] for one in (linked, addressed)} == {"identity.linked"}
    assert who(linked) == {"x-square", "x-square-loyalty", "phone_hash"}
    assert who(addressed) == {"x-square", "email_hash"}


async def test_a_link_with_one_end_is_none() -> None:
    assert await delivered("square", told("customer.created", "customer", {"id": "C1"})) == []


async def test_a_subscription_is_cancelled_when_square_says_so() -> None:
    said = {"id": "s1", "customer_id": "C1", "status": "CANCELED"}

    records = await delivered(
        "square",
        told("subscription.updated", "subscription", {**said, "status": "ACTIVE"}),
        told("subscription.updated", "subscription", said),
    )

    assert once(records)["id"] == "subscription.cancelled/s1"


@pytest.mark.parametrize("kind", sorted(TYPES))
@pytest.mark.parametrize(
    "said",
    [None, [], 7, {}, {"id": None}, {"id": {}}, {"id": "x" * (IDENTITY_CHARS_MAX + 1), "status": "COMPLETED"}],
    ids=str,
)
def test_of_an_odd_object_it_makes_nothing(kind: str, said: object) -> None:
    for telling in TYPES[kind]:
        body = told(kind, telling.told_of, said)
        assert list(happened(Delivery(Head([]), body))) == []


@pytest.mark.parametrize(
    ("environment", "event_class"), [("Sandbox", "test"), ("sandbox", "test"), ("Production", None), ("", None)]
)
async def test_what_the_sandbox_sends_is_kept_and_never_scored(environment: str, event_class: str | None) -> None:
    told_of = told("payment.created", "payment", PAYMENT)

    (record,) = await delivered("square", told_of, headers={"square-environment": environment})

    assert record["data"].get("class") == event_class
