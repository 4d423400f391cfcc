"""Webhooks of Shopify: orders, cancellations, refunds, fulfilments, customers, disputes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from services.ingest.adapter import Adapter, Example
from services.ingest.hooks import Delivery, Happened, event_of, named, webhook
from services.ingest.loose import event_id, members, word
from services.ingest.signatures import Scheme

SCHEME: Final = Scheme(header="x-shopify-hmac-sha256")

PERSON: Final = "x-shopify"
ORDER: Final = "x-shopify-order"
"""Under which Shopify's own numbers of customers and orders are known: they are nobody else's ids."""


BY_CUSTOMER: Final = "order.cancelled_by_customer"
BY_SHOP: Final = "order.cancelled_by_shop"


class Telling(NamedTuple):
    """What a topic tells: the touchpoint, and in which members the thing's id, the time and the order's number stand."""

    touchpoint: str
    thing: str = "id"
    at: str = "created_at"
    order: str = "order_id"
    only: tuple[str, frozenset[object]] | None = None
    """Only where this member has one of these values."""


_ORDERED: Final = Telling("order.completed", order="id")
_CANCELLED: Final = (
    Telling(BY_CUSTOMER, at="cancelled_at", order="id", only=("cancel_reason", frozenset({"customer"}))),
    Telling(
        BY_SHOP,
        at="cancelled_at",
        order="id",
        only=("cancel_reason", frozenset({"inventory", "fraud", "staff", "other"})),
    ),
)
TOPICS: Final[Mapping[str, Sequence[Telling]]] = {
    "orders/create": (_ORDERED,),
    "orders/paid": (_ORDERED,),
    # It may overtake the order's creation, and it comes with every change.
    "orders/updated": (_ORDERED, *_CANCELLED),
    "orders/cancelled": _CANCELLED,
    "refunds/create": (Telling("refund.completed"),),
    "fulfillments/create": (Telling("delivery.dispatched"),),
    "fulfillment_events/create": (
        Telling("delivery.delivered", "fulfillment_id", "happened_at", only=("status", frozenset({"delivered"}))),
        Telling(
            "delivery.attempt_failed", at="happened_at", only=("status", frozenset({"attempted_delivery", "failure"}))
        ),
    ),
    "customers/create": (Telling("account.signed_up"),),
    "disputes/create": (Telling("dispute.opened", at="initiated_at"),),
}


def happened(delivery: Delivery) -> Iterator[Happened]:
    """Tell what a delivery is about.

    Ids are made of Shopify's for the thing: a retry, a second subscription and an update that overtakes its creation tell
    of the same event.
    """
    topic, said = delivery.topic("x-shopify-topic"), members(delivery.body)
    for telling in TOPICS.get(topic, ()):
        thing = word(said.get(telling.thing))
        identities = _identities(topic, said, event_id(said.get(telling.order)), names_order=telling is _ORDERED)
        if thing is not None and identities and _holds(telling, said):
            is_test = said.get("test") is True or delivery.topic("x-shopify-test") == "true"
            yield _event(telling, said, thing, identities, is_test=is_test)


def _holds(telling: Telling, said: Mapping[str, Any]) -> bool:
    value = None if telling.only is None else said.get(telling.only[0])
    return telling.only is None or (isinstance(value, str) and value in telling.only[1])


def _identities(topic: str, said: Mapping[str, Any], order: str | None, *, names_order: bool) -> list[dict[str, str]]:
    """Say whom it is about; what names nobody is about an order, whose creation has named its customer."""
    customer = said if topic.startswith("customers/") else members(said.get("customer"))
    known = named(
        (PERSON, customer.get("id")),
        ("email", said.get("email") or customer.get("email")),
        ("phone", said.get("phone") or customer.get("phone")),
    )
    return known + named((ORDER, order)) if names_order or not known else known


def _event(
    telling: Telling, said: Mapping[str, Any], thing: str, identities: list[dict[str, str]], *, is_test: bool
) -> Happened:
    """Write the event; a test is an order of Shopify's test gateway, or a notification that somebody sends to try it."""
    data = {
        "identities": identities,
        "order": event_id(said.get(telling.order)),
        "class": "test" if is_test else None,
    }
    return event_of(telling.touchpoint, thing, at=said.get(telling.at), data=data)


_ORDER: Final = {
    "id": 820982911946154508,
    "email": "ana@example.com",
    "created_at": "2026-03-01T11:59:00+01:00",
    "customer": {"id": 115310627314723954},
    "total_price": "12.50",
}

ADAPTER: Final[Adapter] = webhook(
    "shopify",
    scheme=SCHEME,
    happened=happened,
    signature_stands="A signature in `X-Shopify-Hmac-Sha256`",
    examples=(
        Example(
            "A new order",
            "/hooks/shopify/our-shopify",
            json.dumps(_ORDER).encode(),
            {"x-shopify-topic": "orders/create", "content-type": "application/json"},
            touchpoints=("order.completed",),
        ),
    ),
)
