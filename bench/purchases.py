"""The same purchases in the words of each form: seeded, alike in every run, about 450 bytes each."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

SEED: Final = 20261126
CUSTOMERS: Final = 50_000

AGE: Final = timedelta(seconds=5)
"""Each happened so long before it is sent, as a client's queue has it; one of the future would be corrected."""

ENCODE: Final = msgspec.json.Encoder().encode


class Purchase(NamedTuple):
    """What happened, in no form."""

    number: int
    at: str
    customer: str
    properties: dict[str, object]

    @property
    def order(self) -> str:
        return f"A{self.number:08d}"


class Purchases:
    """An endless run of purchases; no number comes twice."""

    def __init__(self) -> None:
        self._rng = random.Random(SEED)
        self._number = 0

    def next(self, count: int) -> list[Purchase]:
        """Make so many more, that happened a moment ago."""
        at = (datetime.now(UTC) - AGE).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return list(self._some(count, at))

    def _some(self, count: int, at: str) -> Iterator[Purchase]:
        for _ in range(count):
            self._number += 1
            drawn = self._rng.getrandbits(32)
            properties = {
                "total": drawn % 50_000 / 100,
                "currency": "EUR",
                "items": drawn % 9 + 1,
                "coupon": None if drawn % 4 else "SPRING",
                "session": f"s-{drawn:08x}",
                "url": f"https://shop.example/checkout/{drawn % 977}?ref=newsletter",
            }
            yield Purchase(self._number, at, f"c-{drawn % CUSTOMERS:05d}", properties)


def native(purchases: Sequence[Purchase]) -> bytes:
    """Our own form: one event, or a list."""
    events = [_event(purchase) for purchase in purchases]
    return ENCODE(events[0] if len(events) == 1 else events)


def segment(purchases: Sequence[Purchase]) -> bytes:
    """What Segment's clients send, with all that they add: one call, or a batch."""
    calls = [_call(purchase) for purchase in purchases]
    return ENCODE(calls[0] if len(calls) == 1 else {"batch": calls, "sentAt": purchases[0].at})


def till(purchases: Sequence[Purchase]) -> bytes:
    """A line each."""
    return b"\n".join(
        ENCODE(
            {
                "seq": purchase.number,
                "time": purchase.at,
                "identities": [{"kind": "customer", "value": purchase.customer}],
                "order": purchase.order,
                "properties": purchase.properties,
            }
        )
        for purchase in purchases
    )


def records(purchases: Sequence[Purchase]) -> bytes:
    """What Kafka's REST bridges take: keys, and values that they do not look into."""
    return ENCODE(
        {"records": [{"key": f"customer:{purchase.customer}", "value": _event(purchase)} for purchase in purchases]}
    )


def _event(purchase: Purchase) -> dict[str, object]:
    return {
        "id": f"order-{purchase.number:08d}",
        "source": "bench",
        "time": purchase.at,
        "data": {
            "touchpoint": "order.completed",
            "channel": "web",
            "identities": [{"kind": "customer", "value": purchase.customer}],
            "order": purchase.order,
            "properties": purchase.properties,
        },
    }


def _call(purchase: Purchase) -> dict[str, object]:
    return {
        "timestamp": purchase.at,
        "integrations": {},
        "type": "track",
        "event": "Order Completed",
        "userId": purchase.customer,
        "properties": {"order_id": purchase.order, **purchase.properties},
        "context": {"library": {"name": "@segment/analytics-node", "version": "3.1.0"}},
        "messageId": f"node-next-{purchase.number:08d}",
        "_metadata": {"nodeVersion": "v20.20.2", "jsRuntime": "node"},
    }
