"""SendGrid's event webhook: what became of each e-mail that was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from services.ingest.adapter import Adapter, Example
from services.ingest.hooks import Delivery, Happened, event_of, named, webhook
from services.ingest.loose import members, word
from services.ingest.signatures import Scheme

SCHEME: Final = Scheme(
    header="x-twilio-email-event-webhook-signature",
    algorithm="ecdsa-p256",
    signed="{timestamp}{raw}",
    timestamp_header="x-twilio-email-event-webhook-timestamp",
)
"""The secret is the public key that SendGrid shows. Its own library does not look at how old a timestamp is."""

TOUCHPOINTS: Final[Mapping[str, str]] = {
    "delivered": "email.delivered",
    "open": "email.opened",
    "click": "email.clicked",
    "bounce": "email.bounced",
    "dropped": "email.bounced",
    "spamreport": "email.spam_reported",
    "unsubscribe": "email.unsubscribed",
    "group_unsubscribe": "email.unsubscribed",
}
"""What is left out no customer meets: an e-mail that is accepted or deferred, and a return to a list."""


def happened(delivery: Delivery) -> Iterator[Happened]:
    """Tell of each event in the list; a customer's id stands among them where the sender gave one with the e-mail."""
    for said in map(members, delivery.body if isinstance(delivery.body, list) else ()):
        touchpoint = TOUCHPOINTS.get(word(said.get("event")) or "")
        thing = word(said.get("sg_event_id"))
        identities = named(("customer", said.get("customer_id")), ("email", said.get("email")))
        if touchpoint is not None and thing is not None and identities:
            by_machine = {"machine_made": True} if said.get("sg_machine_open") is True else None
            data = {"identities": identities, "properties": by_machine}
            yield event_of(touchpoint, thing, at=said.get("timestamp"), data=data)


_EVENTS: Final = [
    {
        "email": "ana@example.com",
        "timestamp": 1772366340,
        "event": "open",
        "sg_event_id": "b3Blbi0xLWFuYQ",
        "sg_message_id": "bWVzc2FnZS0x.filter1",
        "sg_machine_open": False,
        "customer_id": "c-1001",
    },
    {
        "email": "ben@example.com",
        "timestamp": 1772366341,
        "event": "bounce",
        "sg_event_id": "Ym91bmNlLTEtYmVu",
        "sg_message_id": "bWVzc2FnZS0y.filter1",
    },
]

ADAPTER: Final[Adapter] = webhook(
    "sendgrid",
    scheme=SCHEME,
    happened=happened,
    signature_stands="A signature in `X-Twilio-Email-Event-Webhook-Signature`",
    examples=(
        Example(
            "An e-mail that was opened, and one that bounced",
            "/hooks/sendgrid/our-sendgrid",
            json.dumps(_EVENTS).encode(),
            {"content-type": "application/json"},
            touchpoints=("email.opened", "email.bounced"),
        ),
    ),
)
