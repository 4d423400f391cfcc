"""Webhooks of WooCommerce: orders by what became of them, and customers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from services.ingest.adapter import Adapter, Example
from services.ingest.head import Head
from services.ingest.hooks import Delivery, Happened, event_of, named, webhook
from services.ingest.loose import event_id, inside, members, word
from services.ingest.signatures import Scheme

SCHEME: Final = Scheme(header="x-wc-webhook-signature")

PERSON: Final = "x-woocommerce"
ORDER: Final = "x-woocommerce-order"
"""Under which a shop's own numbers are known, after the name of its source: every WooCommerce counts from 1."""

GUEST: Final = "0"

_PING: Final = re.compile(rb"webhook_id=[0-9]{1,20}")
"""The whole body of a ping; no JSON looks so, and nothing else of it is read."""


class Telling(NamedTuple):
    """What a topic tells: the touchpoint, and in which members the person, the time and the order's number stand."""

    touchpoint: str
    at: str = "date_modified_gmt"
    person: str = "customer_id"
    email: str = "billing.email"
    order: str | None = "id"
    only: frozenset[str] | None = None
    """Only in one of these statuses."""


# An order's creation and its updates carry the whole order, and either may come first.
_ORDERED: Final = (
    Telling("order.completed", at="date_created_gmt", only=frozenset({"processing", "completed"})),
    Telling("order.cancelled_by_shop", only=frozenset({"cancelled"})),
    Telling("refund.completed", only=frozenset({"refunded"})),
    Telling("payment.failed", only=frozenset({"failed"})),
)
TOPICS: Final[Mapping[str, Sequence[Telling]]] = {
    "order.created": _ORDERED,
    "order.updated": _ORDERED,
    "customer.created": (Telling("account.signed_up", at="date_created_gmt", person="id", email="email", order=None),),
}


def happened(delivery: Delivery) -> Iterator[Happened]:
    """Tell what a delivery is about.

    Ids are made of the shop's for the order or the customer: whatever tells of the same again is the same event.
    """
    said, shop = members(delivery.body), delivery.head.named.get("source", "")
    thing = event_id(said.get("id"))
    for telling in TOPICS.get(delivery.topic("x-wc-webhook-topic"), ()):
        identities = _identities(telling, said, shop)
        if thing is not None and identities and _holds(telling, said):
            yield _event(telling, said, thing, identities)


def pings(_head: Head, body: bytes) -> bool:
    """Tell whether it is the unsigned ping by which a shop tries the address of a new webhook."""
    return _PING.fullmatch(body) is not None


def _identities(telling: Telling, said: Mapping[str, Any], shop: str) -> list[dict[str, str]]:
    """Say whom it is about; not by a telephone number, which stands there as the customer typed it."""
    return named(
        (PERSON, _of_shop(shop, said.get(telling.person))),
        ("email", inside(said, telling.email)),
        (ORDER, None if telling.order is None else _of_shop(shop, said.get(telling.order))),
    )


def _of_shop(shop: str, number: object) -> str | None:
    text = word(number)
    return None if text is None or text == GUEST else f"{shop}/{text}"


def _holds(telling: Telling, said: Mapping[str, Any]) -> bool:
    return telling.only is None or word(said.get("status")) in telling.only


def _event(telling: Telling, said: Mapping[str, Any], thing: str, identities: list[dict[str, str]]) -> Happened:
    order = None if telling.order is None else event_id(said.get(telling.order))
    return event_of(telling.touchpoint, thing, at=said.get(telling.at), data={"identities": identities, "order": order})


_ORDER: Final = {
    "id": 727,
    "status": "processing",
    "date_created_gmt": "2026-03-01T10:59:00",
    "date_modified_gmt": "2026-03-01T10:59:05",
    "total": "12.50",
    "customer_id": 25,
    "billing": {"email": "ana@example.com"},
}

ADAPTER: Final[Adapter] = webhook(
    "woocommerce",
    scheme=SCHEME,
    happened=happened,
    pings=pings,
    signature_stands="A signature in `X-WC-Webhook-Signature`",
    examples=(
        Example(
            "A new order that is paid",
            "/hooks/woocommerce/our-woocommerce",
            json.dumps(_ORDER).encode(),
            {"x-wc-webhook-topic": "order.created", "content-type": "application/json"},
            touchpoints=("order.completed",),
        ),
    ),
)
