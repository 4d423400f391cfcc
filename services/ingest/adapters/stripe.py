"""Webhooks of Stripe: payments, refunds, disputes, subscriptions, and who is who among its customers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from services.ingest.adapter import Adapter, Example
from services.ingest.hooks import Delivery, Happened, event_of, named, webhook
from services.ingest.judge import LINKED
from services.ingest.loose import event_id, inside, members, word
from services.ingest.signatures import Scheme

SCHEME: Final = Scheme(
    header="stripe-signature",
    encoding="hex",
    signed="{timestamp}.{raw}",
    fields=("t", "v1"),
    tolerance=timedelta(seconds=300),
)

PERSON: Final = "x-stripe"
PAYMENT: Final = "x-stripe-payment"
"""Under which Stripe's own ids of customers and payments are known; they are unique among all shops."""

Paths = tuple[str, ...]
"""Where a value stands; where it stands nowhere, the next path is tried."""


class Telling(NamedTuple):
    """What a type of event tells: the touchpoint, in which members the thing's id stands, and whom others name."""

    touchpoint: str
    thing: Paths
    names: Sequence[tuple[str, Paths]]
    only: tuple[str, str] | None = None
    """Only where this member has this value."""


# A payment is known by its intent; one that was made without is known by its charge.
_PAYMENT: Final = ("payment_intent", "id")
# No more than an intent and its charges both know, or the second that tells of a payment would contradict the first.
_PAYER: Final = ((PERSON, ("customer",)), ("email", ("receipt_email",)), (PAYMENT, _PAYMENT))
_PAID: Final = Telling("order.completed", _PAYMENT, _PAYER)
# The address of the bill is known to the charge alone.
_BILLED: Final = Telling(LINKED, ("id",), (*_PAYER, ("email", ("billing_details.email",))))

# What tells of a charge that was refunded does not say by which refund: a payment's refunds count once.
_REFUNDED: Final = "refund.completed"
_OF_PAYMENT: Final = ((PAYMENT, ("payment_intent", "charge")),)
_REFUND: Final = (Telling(_REFUNDED, ("charge", "payment_intent", "id"), _OF_PAYMENT, only=("status", "succeeded")),)

_CUSTOMER: Final = ((PERSON, ("customer",)), ("email", ("customer_email",)))
_RENEWED: Final = (Telling("subscription.renewed", ("id",), _CUSTOMER, only=("billing_reason", "subscription_cycle")),)
TYPES: Final[Mapping[str, Sequence[Telling]]] = {
    "charge.succeeded": (_PAID, _BILLED),
    "payment_intent.succeeded": (_PAID,),
    # Every attempt that fails has a charge of its own, if it came so far.
    "charge.failed": (Telling("payment.failed", ("id",), _PAYER), _BILLED),
    "payment_intent.payment_failed": (Telling("payment.failed", ("last_payment_error.charge", "id"), _PAYER),),
    "charge.refunded": (Telling(_REFUNDED, ("id",), ((PAYMENT, _PAYMENT),)), _BILLED),
    "charge.refund.updated": _REFUND,
    "refund.created": _REFUND,
    "refund.updated": _REFUND,
    "charge.dispute.created": (Telling("dispute.opened", ("id",), _OF_PAYMENT),),
    "customer.subscription.deleted": (Telling("subscription.cancelled", ("id",), ((PERSON, ("customer",)),)),),
    "invoice.paid": _RENEWED,
    "invoice.payment_succeeded": _RENEWED,
    "customer.created": (Telling(LINKED, ("id",), ((PERSON, ("id",)), ("email", ("email",)))),),
    "checkout.session.completed": (
        Telling(
            LINKED,
            ("id",),
            (
                (PERSON, ("customer",)),
                ("email", ("customer_details.email", "customer_email")),
                (PAYMENT, ("payment_intent",)),
            ),
        ),
    ),
}


def happened(delivery: Delivery) -> Iterator[Happened]:
    """Tell what a delivery is about.

    Ids are made of Stripe's for the thing: an intent and its charge tell of one payment, and what is delivered again or
    overtaken by an update is the same event.
    """
    envelope = members(delivery.body)
    said = members(inside(envelope, "data.object"))
    for telling in TYPES.get(word(envelope.get("type")) or "", ()):
        thing, identities = event_id(_first(said, telling.thing)), _identities(telling, said)
        if thing is not None and identities and _holds(telling, said):
            yield _event(telling, envelope, thing, identities)


def _first(said: Mapping[str, Any], paths: Paths) -> str | None:
    found = (word(inside(said, path)) for path in paths)
    return next((text for text in found if text is not None), None)


def _identities(telling: Telling, said: Mapping[str, Any]) -> list[dict[str, str]]:
    """Say whom it is about; nobody where a link would have but one end."""
    known = named(*((kind, _first(said, paths)) for kind, paths in telling.names))
    return [] if telling.touchpoint == LINKED and len(known) == 1 else known


def _holds(telling: Telling, said: Mapping[str, Any]) -> bool:
    return telling.only is None or word(said.get(telling.only[0])) == telling.only[1]


def _event(telling: Telling, envelope: Mapping[str, Any], thing: str, identities: list[dict[str, str]]) -> Happened:
    data = {"identities": identities, "class": "test" if envelope.get("livemode") is False else None}
    return event_of(telling.touchpoint, thing, at=envelope.get("created"), data=data)


def _example(kind: str, said: Mapping[str, object]) -> bytes:
    envelope = {
        "id": f"evt_{said['id']}",
        "object": "event",
        "type": kind,
        "created": 1_772_362_740,
        "livemode": True,
        "data": {"object": said},
    }
    return json.dumps(envelope).encode()


_CHARGE: Final = {
    "id": "ch_7",
    "object": "charge",
    "amount": 1250,
    "currency": "eur",
    "payment_intent": "pi_7",
    "customer": "cus_ana",
    "receipt_email": None,
    "billing_details": {"email": "ana@example.com"},
}
_INVOICE: Final = {
    "id": "in_8",
    "object": "invoice",
    "billing_reason": "subscription_cycle",
    "customer": "cus_ana",
    "customer_email": "ana@example.com",
}

ADAPTER: Final[Adapter] = webhook(
    "stripe",
    scheme=SCHEME,
    happened=happened,
    signature_stands="A signature in `Stripe-Signature`, at most five minutes old",
    examples=(
        Example(
            "A payment, and whose it is",
            "/hooks/stripe/our-stripe",
            _example("charge.succeeded", _CHARGE),
            {"content-type": "application/json"},
            touchpoints=("order.completed", LINKED),
        ),
        Example(
            "A subscription that goes on",
            "/hooks/stripe/our-stripe",
            _example("invoice.paid", _INVOICE),
            {"content-type": "application/json"},
            touchpoints=("subscription.renewed",),
        ),
    ),
)
