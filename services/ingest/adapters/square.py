"""Webhooks of Square: payments, refunds, disputes, loyalty, subscriptions, and who is who among its customers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from services.ingest.adapter import Adapter, Example
from services.ingest.hooks import Delivery, Happened, event_of, named, webhook
from services.ingest.judge import LINKED
from services.ingest.loose import event_id, inside, instant, members, word
from services.ingest.signatures import Scheme

SCHEME: Final = Scheme(header="x-square-hmacsha256-signature", signed="{url}{raw}")

PERSON: Final = "x-square"
PAYMENT: Final = "x-square-payment"
LOYALTY: Final = "x-square-loyalty"
"""Under which Square's own ids of customers, payments and loyalty accounts are known; they are unique among all shops."""

COMPLETED: Final = ("status", frozenset({"COMPLETED"}))


class Telling(NamedTuple):
    """What a type of event tells: the touchpoint, where its object stands, and whom which members of that name."""

    touchpoint: str
    told_of: str
    """The member of `data.object` that holds the thing."""
    names: Sequence[tuple[str, str]]
    """Kinds of identities, and where their values stand."""
    at: str = "created_at"
    order: str | None = None
    only: tuple[str, frozenset[str]] | None = None
    """Only where this member has one of these values."""


_PAYER: Final = ((PERSON, "customer_id"), ("email", "buyer_email_address"), (PAYMENT, "id"))
_PAID: Final = (
    Telling("pos.sale_completed", "payment", _PAYER, order="order_id", only=COMPLETED),
    Telling("payment.failed", "payment", _PAYER, order="order_id", only=("status", frozenset({"FAILED"}))),
)
# A refund has an order of its own and names no customer: its payment has named one.
_REFUNDED: Final = (Telling("refund.completed", "refund", ((PAYMENT, "payment_id"),), at="updated_at", only=COMPLETED),)
_MEMBER: Final = ((LOYALTY, "loyalty_account_id"),)
TYPES: Final[Mapping[str, Sequence[Telling]]] = {
    "payment.created": _PAID,
    "payment.updated": _PAID,
    "refund.created": _REFUNDED,
    "refund.updated": _REFUNDED,
    "dispute.created": (Telling("dispute.opened", "dispute", ((PAYMENT, "disputed_payment.payment_id"),)),),
    "loyalty.event.created": (
        Telling(
            "loyalty.points_earned",
            "loyalty_event",
            _MEMBER,
            only=("type", frozenset({"ACCUMULATE_POINTS", "ACCUMULATE_PROMOTION_POINTS"})),
        ),
        Telling("loyalty.reward_redeemed", "loyalty_event", _MEMBER, only=("type", frozenset({"REDEEM_REWARD"}))),
    ),
    # Loyalty events name the account alone.
    "loyalty.account.created": (
        Telling(
            LINKED,
            "loyalty_account",
            ((PERSON, "customer_id"), ("phone", "mapping.phone_number"), (LOYALTY, "id")),
        ),
    ),
    "customer.created": (Telling(LINKED, "customer", ((PERSON, "id"), ("email", "email_address"))),),
    "subscription.updated": (
        Telling(
            "subscription.cancelled",
            "subscription",
            ((PERSON, "customer_id"),),
            at="updated_at",
            only=("status", frozenset({"CANCELED"})),
        ),
    ),
}


def happened(delivery: Delivery) -> Iterator[Happened]:
    """Tell what a delivery is about.

    Ids are made of Square's for the thing: what is created and then updated, or delivered again, is the same event.
    """
    envelope = members(delivery.body)
    for telling in TYPES.get(word(envelope.get("type")) or "", ()):
        said = members(inside(envelope, f"data.object.{telling.told_of}"))
        thing, identities = event_id(said.get("id")), _identities(telling, said)
        if thing is not None and identities and _holds(telling, said):
            event = _event(telling, said, thing, identities, told_at=envelope.get("created_at"))
            yield {**event, "data": {**members(event["data"]), "class": "test"}} if _is_sandbox(delivery) else event


def _is_sandbox(delivery: Delivery) -> bool:
    """Tell whether Square's sandbox sends it; a body of either looks the same."""
    return delivery.topic("square-environment").casefold() == "sandbox"


def _identities(telling: Telling, said: Mapping[str, Any]) -> list[dict[str, str]]:
    """Say whom it is about; nobody where a link would have but one end."""
    known = named(*((kind, inside(said, path)) for kind, path in telling.names))
    return [] if telling.touchpoint == LINKED and len(known) == 1 else known


def _holds(telling: Telling, said: Mapping[str, Any]) -> bool:
    return telling.only is None or word(said.get(telling.only[0])) in telling.only[1]


def _event(
    telling: Telling, said: Mapping[str, Any], thing: str, identities: list[dict[str, str]], *, told_at: object
) -> Happened:
    location = event_id(said.get("location_id"))
    data = {
        "identities": identities,
        "order": None if telling.order is None else event_id(said.get(telling.order)),
        "place": None if location is None else f"store/{location}",
    }
    return event_of(telling.touchpoint, thing, at=instant(said.get(telling.at)) or told_at, data=data)


def _example(kind: str, told_of: str, said: Mapping[str, object]) -> bytes:
    envelope = {
        "merchant_id": "OURSHOP",
        "type": kind,
        "event_id": f"told-{said['id']}",
        "created_at": "2026-03-01T10:59:03Z",
        "data": {"type": told_of, "id": said["id"], "object": {told_of: said}},
    }
    return json.dumps(envelope).encode()


_PAYMENT: Final = {
    "id": "pay-7",
    "status": "COMPLETED",
    "created_at": "2026-03-01T10:59:00Z",
    "amount_money": {"amount": 1250, "currency": "EUR"},
    "customer_id": "ANA",
    "order_id": "order-7",
    "location_id": "OLDTOWN",
}
_REDEEMED: Final = {
    "id": "loyal-8",
    "type": "REDEEM_REWARD",
    "created_at": "2026-03-01T10:59:02Z",
    "loyalty_account_id": "ANAS-CARD",
    "location_id": "OLDTOWN",
}

ADAPTER: Final[Adapter] = webhook(
    "square",
    scheme=SCHEME,
    happened=happened,
    signature_stands="A signature in `x-square-hmacsha256-signature`, over the address that Square was given and the body",
    examples=(
        Example(
            "A payment at the till",
            "/hooks/square/our-square",
            _example("payment.updated", "payment", _PAYMENT),
            {"content-type": "application/json"},
            touchpoints=("pos.sale_completed",),
        ),
        Example(
            "A reward of the loyalty programme",
            "/hooks/square/our-square",
            _example("loyalty.event.created", "loyalty_event", _REDEEMED),
            {"content-type": "application/json"},
            touchpoints=("loyalty.reward_redeemed",),
        ),
    ),
)
