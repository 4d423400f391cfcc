"""What Stripe delivers, and what becomes of it."""

from __future__ import annotations

import pytest

from services.ingest.adapters.stripe import SCHEME, TYPES, happened
from services.ingest.head import Head
from services.ingest.hooks import Delivery
from tests.support.clocks import NOON
from tests.support.deliveries import delivered, once, who
from tests.support.hooks import SECRET, signed

CREATED = 1_772_359_200
CHARGE = {"id": "ch_1", "payment_intent": "pi_1", "customer": "cus_1", "receipt_email": "ana@example.com"}
INTENT = {"id": "pi_1", "customer": "cus_1", "receipt_email": "ana@example.com", "latest_charge": "ch_1"}
REFUND = {"id": "re_1", "charge": "ch_1", "payment_intent": "pi_1", "status": "succeeded"}


def told(kind: str, said: object, **more: object) -> dict[str, object]:
    return {"id": "evt_1", "type": kind, "created": CREATED, "data": {"object": said}, **more}


async def test_a_payment_counts_once_whether_its_intent_or_its_charge_tells_of_it() -> None:
    records = await delivered(
        "stripe",
        told("payment_intent.succeeded", INTENT),
        told("charge.succeeded", CHARGE, id="evt_2"),
        told("charge.succeeded", {**CHARGE, "captured": True}, id="evt_3"),
    )

    record = once([one for one in records if one["data"]["touchpoint"] != "identity.linked"])
    assert (record["id"], record["time"]) == ("order.completed/pi_1", "2026-03-01T10:00:00Z")
    assert who(record) == {"x-stripe", "x-stripe-payment", "email_hash"}
    assert "class" not in record["data"]


async def test_the_address_of_the_bill_is_a_link_beside_the_payment() -> None:
    charge = {"id": "ch_1", "payment_intent": "pi_1", "billing_details": {"email": "ana@example.com"}}

    paid, linked = await delivered("stripe", told("charge.succeeded", charge))

    assert paid["data"]["identities"] == [{"kind": "x-stripe-payment", "value": "pi_1"}]
    assert (linked["id"], linked["data"]["touchpoint"]) == ("identity.linked/ch_1", "identity.linked")
    assert who(linked) == {"x-stripe-payment", "email_hash"}


async def test_a_charge_without_an_intent_is_the_payment_itself() -> None:
    (record,) = await delivered("stripe", told("charge.succeeded", {"id": "ch_1"}))

    assert record["id"] == "order.completed/ch_1"
    assert record["data"]["identities"] == [{"kind": "x-stripe-payment", "value": "ch_1"}]


async def test_an_attempt_that_failed_counts_once_and_the_next_one_again() -> None:
    failed = {"id": "ch_1", "payment_intent": "pi_1"}
    intent = {"id": "pi_1", "last_payment_error": {"charge": "ch_1"}}

    records = await delivered(
        "stripe",
        told("charge.failed", failed),
        told("payment_intent.payment_failed", intent),
        told("charge.failed", {**failed, "id": "ch_2"}),
        told("payment_intent.payment_failed", {"id": "pi_9", "last_payment_error": {"type": "card_error"}}),
    )

    assert once(records[:2])["id"] == "payment.failed/ch_1"
    assert [one["id"] for one in records[2:]] == ["payment.failed/ch_2", "payment.failed/pi_9"]


async def test_the_refunds_of_a_payment_count_once_whoever_tells_of_them() -> None:
    record = once(
        await delivered(
            "stripe",
            told("charge.refunded", {"id": "ch_1", "payment_intent": "pi_1", "amount_refunded": 100}),
            told("refund.created", REFUND),
            told("refund.updated", {**REFUND, "receipt_number": "1"}),
            told("charge.refund.updated", {**REFUND, "id": "re_2"}),
        )
    )

    assert record["id"] == "refund.completed/ch_1"
    assert record["data"]["identities"] == [{"kind": "x-stripe-payment", "value": "pi_1"}]


@pytest.mark.parametrize("status", ["pending", "requires_action", "failed", "canceled", None, ["succeeded"]])
async def test_a_refund_that_is_not_paid_is_no_event(status: object) -> None:
    assert await delivered("stripe", told("refund.updated", {**REFUND, "status": status})) == []


async def test_a_dispute_is_about_the_payment() -> None:
    (record,) = await delivered(
        "stripe", told("charge.dispute.created", {"id": "dp_1", "charge": "ch_1", "payment_intent": "pi_1"})
    )

    assert record["id"] == "dispute.opened/dp_1"
    assert record["data"]["identities"] == [{"kind": "x-stripe-payment", "value": "pi_1"}]


async def test_a_subscription_is_renewed_by_the_invoice_of_a_cycle_and_no_other() -> None:
    invoice = {"id": "in_1", "customer": "cus_1", "customer_email": "ana@example.com"}
    cycle = {**invoice, "billing_reason": "subscription_cycle"}

    record = once(
        await delivered(
            "stripe",
            told("invoice.paid", {**invoice, "id": "in_0", "billing_reason": "subscription_create"}),
            told("invoice.paid", {**invoice, "id": "in_2", "billing_reason": "manual"}),
            told("invoice.payment_succeeded", cycle),
            told("invoice.paid", cycle),
        )
    )

    assert record["id"] == "subscription.renewed/in_1"
    assert who(record) == {"x-stripe", "email_hash"}


async def test_a_subscription_that_ends_is_cancelled() -> None:
    (record,) = await delivered("stripe", told("customer.subscription.deleted", {"id": "sub_1", "customer": "cus_1"}))

    assert record["id"] == "subscription.cancelled/sub_1"


async def test_who_is_who_is_told_by_customers_and_by_checkouts() -> None:
    session = {"id": "cs_1", "payment_intent": "pi_1", "customer_details": {"email": "ana@example.com"}}

    records = await delivered(
        "stripe",
        told("customer.created", {"id": "cus_1", "email": "ana@example.com"}),
        told("customer.created", {"id": "cus_2", "email": None}),
        told("checkout.session.completed", session),
    )

    assert [one["id"] for one in records] == ["identity.linked/cus_1", "identity.linked/cs_1"]
    assert [who(one) for one in records] == [{"x-stripe", "email_hash"}, {"x-stripe-payment", "email_hash"}]


@pytest.mark.parametrize(("livemode", "event_class"), [(False, "test"), (True, None), (None, None), (0, None)])
async def test_what_is_tried_in_the_test_mode_never_scores(livemode: object, event_class: str | None) -> None:
    records = await delivered("stripe", told("charge.succeeded", CHARGE, livemode=livemode))

    assert [one["data"].get("class") for one in records] == [event_class] * 2


@pytest.mark.parametrize("others", ["v1={other},{stated}", "{stated},v1={other}", "{stated},v0={other}"])
def test_while_a_secret_changes_one_signature_of_two_is_enough(others: str) -> None:
    (stated,) = signed("stripe", b"{}").values()
    head = Head([("stripe-signature", others.format(stated=stated, other="0" * 64))])

    assert SCHEME.verifies(head, b"{}", secrets=[SECRET], url="", now=NOON)


@pytest.mark.parametrize("kind", sorted(TYPES))
@pytest.mark.parametrize("said", [None, [], 7, {}, {"id": None}, {"id": {}, "customer": []}, {"id": " "}], ids=str)
def test_of_an_odd_object_it_makes_nothing(kind: str, said: object) -> None:
    assert list(happened(Delivery(Head([]), told(kind, said)))) == []
