"""EasyPost's webhooks of trackers: where a parcel is."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

from services.infra.hook_rows import Hook
from services.ingest.adapter import Adapter, Example
from services.ingest.head import Head
from services.ingest.hooks import Delivery, Happened, event_of, named, webhook
from services.ingest.judge import Arrival
from services.ingest.loose import members, word
from services.ingest.parcels import TRACKING, carrier_place, parcel_of
from services.ingest.signatures import Scheme

SCHEME: Final = Scheme(header="x-hmac-signature", encoding="hex", prefix="hmac-sha256-hex=")

DELIVERED: Final = "delivery.delivered"
STATUSES: Final[Mapping[str, str]] = {
    "in_transit": "delivery.dispatched",
    "available_for_pickup": "pos.pickup_ready",
    "delivered": DELIVERED,
    "return_to_sender": "delivery.lost_or_returned",
    # The carrier has given up: after an attempt that will be made again, a parcel is in transit.
    "failure": "delivery.lost_or_returned",
}
"""What is left out no customer meets: a label, the last hours on the road, and what EasyPost cannot find out."""

DESCRIPTIONS: Final = frozenset({"tracker.created", "tracker.updated"})
"""A tracker may be made of a parcel that is already on its way."""


def verify(head: Head, raw: bytes, hook: Hook, received: Arrival) -> bool:
    """Tell whether one of the secrets signed this body; EasyPost signs with the compatible form of a secret (NFKD)."""
    secrets = [_compatible(secret) for secret in hook.secrets]
    return SCHEME.verifies(head, raw, secrets=secrets, url=hook.url, now=received.at)


def _compatible(secret: bytes) -> bytes:
    text = secret.decode("utf-8", "surrogateescape")
    return unicodedata.normalize("NFKD", text).encode("utf-8", "surrogateescape")


def happened(delivery: Delivery) -> Iterator[Happened]:
    """Tell where a parcel stands; it is in each state once, however many updates tell of it."""
    body = members(delivery.body)
    said = members(body.get("result"))
    touchpoint, thing = STATUSES.get(word(said.get("status")) or ""), word(said.get("id"))
    identities = named((TRACKING, said.get("tracking_code")))
    is_tracker = word(body.get("description")) in DESCRIPTIONS
    if not is_tracker or touchpoint is None or thing is None or not identities:
        return
    data = {
        "identities": identities,
        "place": carrier_place(said.get("carrier")),
        "class": "test" if body.get("mode") == "test" else None,
        "properties": parcel_of(touchpoint, number=said.get("tracking_code"), expected=said.get("est_delivery_date")),
    }
    yield event_of(touchpoint, thing, at=body.get("created_at"), data=data)


_EVENT: Final = {
    "object": "Event",
    "id": "evt_1001",
    "mode": "production",
    "description": "tracker.updated",
    "created_at": "2026-03-01T11:59:00Z",
    "result": {
        "object": "Tracker",
        "id": "trk_1001",
        "tracking_code": "PARCEL1001",
        "status": "delivered",
        "carrier": "FedEx",
        "est_delivery_date": "2026-03-01T15:00:00Z",
    },
}

ADAPTER: Final[Adapter] = webhook(
    "easypost",
    scheme=verify,
    happened=happened,
    signature_stands="A signature in `X-Hmac-Signature`",
    examples=(
        Example(
            "A parcel that was delivered",
            "/hooks/easypost/our-easypost",
            json.dumps(_EVENT).encode(),
            {"content-type": "application/json"},
            touchpoints=(DELIVERED,),
        ),
    ),
)
