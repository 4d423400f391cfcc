"""AfterShip's webhooks of trackings: where a parcel is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.ingest.adapter import Adapter, Example
from services.ingest.hooks import Delivery, Happened, event_of, named, webhook
from services.ingest.loose import event_id, members, word
from services.ingest.parcels import TRACKING, carrier_place, parcel_of
from services.ingest.signatures import Scheme

SCHEME: Final = Scheme(header="aftership-hmac-sha256")

ORDER: Final = "x-aftership-order"
"""Under which the ids of orders that a shop gave to AfterShip are known."""

DELIVERED: Final = "delivery.delivered"
TAGS: Final[Mapping[str, str]] = {
    "InTransit": "delivery.dispatched",
    "AttemptFail": "delivery.attempt_failed",
    "AvailableForPickup": "pos.pickup_ready",
    "Delivered": DELIVERED,
    "Exception": "delivery.lost_or_returned",
    "Expired": "delivery.lost_or_returned",
}
"""What is left out no customer meets yet: a label that was printed, and the last hours on the road."""

SUBTAGS: Final[Mapping[str, str]] = {
    "Exception_004": "delivery.delay_notified",
    "Exception_005": "delivery.delay_notified",
}
"""Exceptions after which the parcel still comes: customs and the weather hold it."""


def happened(delivery: Delivery) -> Iterator[Happened]:
    """Tell where a tracking stands; it is in each state once, however many updates tell of it."""
    body = members(delivery.body)
    said = members(body.get("msg"))
    touchpoint = SUBTAGS.get(word(said.get("subtag")) or "") or TAGS.get(word(said.get("tag")) or "")
    thing, identities = word(said.get("id")), _identities(said)
    if body.get("event") != "tracking_update" or touchpoint is None or thing is None or not identities:
        return
    data = {
        "identities": identities,
        "order": event_id(said.get("order_id")),
        "place": carrier_place(said.get("slug")),
        "properties": parcel_of(touchpoint, number=said.get("tracking_number"), expected=said.get("expected_delivery")),
    }
    yield event_of(touchpoint, thing, at=body.get("ts"), data=data)


def _identities(said: Mapping[str, Any]) -> list[dict[str, str]]:
    """Say whom it is about: of several addresses nobody knows whose they are, and named together they were one person's."""
    given = [*_listed(said, "emails"), *(members(one).get("email") for one in _listed(said, "customers"))]
    known = {one["value"].strip().lower(): one for one in named(*(("email", address) for address in given))}
    if len(known) == 1:
        return list(known.values())
    return named((ORDER, said.get("order_id")), (TRACKING, said.get("tracking_number")))


def _listed(said: Mapping[str, Any], name: str) -> list[Any]:
    value = said.get(name)
    return value if isinstance(value, list) else []


_UPDATE: Final = {
    "event": "tracking_update",
    "event_id": "0f0c7a52-6f0e-4b58-9a3c-3b1f2f6c9a10",
    "msg": {
        "id": "tracking-1001",
        "tracking_number": "PARCEL1001",
        "slug": "inpost-paczkomaty",
        "tag": "Delivered",
        "subtag": "Delivered_001",
        "emails": ["ana@example.com"],
        "order_id": "R-1001",
        "expected_delivery": "2026-03-01T16:00:00+01:00",
    },
    "ts": 1772366340,
}

ADAPTER: Final[Adapter] = webhook(
    "aftership",
    scheme=SCHEME,
    happened=happened,
    signature_stands="A signature in `aftership-hmac-sha256`",
    examples=(
        Example(
            "A parcel that was delivered",
            "/hooks/aftership/our-aftership",
            json.dumps(_UPDATE).encode(),
            {"content-type": "application/json"},
            touchpoints=(DELIVERED,),
        ),
    ),
)
