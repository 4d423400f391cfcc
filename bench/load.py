"""The bench's events: seeded, alike in every run, about 450 bytes, customers by Zipf."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

SEED: Final = 20261122
CUSTOMERS: Final = 50_000
EXPONENT: Final = 0.9
"""Of the Zipf law: the first customer has 1.6 % of a million events, the last has one or two."""

DAYS: Final = 60
"""Times are spread over so many days, so a customer's tallies are many and the month's index is not hot."""

MIX: Final = (
    # Share of the events, touchpoint, channel: mostly a website, as it is.
    (0.34, "web.page_viewed", "web"),
    (0.22, "web.product_viewed", "web"),
    (0.10, "web.cart_added", "web"),
    (0.08, "email.opened", "email"),
    (0.06, "order.completed", "web"),
    (0.06, "pos.sale_completed", "pos"),
    (0.05, "delivery.delivered", "delivery"),
    (0.04, "call.answered", "contact_centre"),
    (0.03, "web.checkout_error", "web"),
    (0.02, "survey.csat", "survey"),
)
STORES: Final = 40


def events(count: int, *, now: datetime) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each record, as ingest writes them; the same for the same count and day."""
    rng = np.random.default_rng(SEED)
    weights = 1.0 / np.arange(1, CUSTOMERS + 1) ** EXPONENT
    customers = rng.choice(CUSTOMERS, size=count, p=weights / weights.sum()).tolist()
    kinds = rng.choice(len(MIX), size=count, p=[share for share, _, _ in MIX]).tolist()
    ages_us = rng.integers(0, DAYS * 86_400_000_000, size=count).tolist()
    numbers = rng.integers(0, 1_000_000, size=count).tolist()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for position in range(count):
        _, touchpoint, channel = MIX[kinds[position]]
        subject = f"customer:c-{customers[position]:05d}"
        at = stamp(midnight - timedelta(microseconds=ages_us[position]))
        body = data(touchpoint, channel, customer=subject[9:], number=numbers[position])
        record = {
            "data": body,
            "datacontenttype": "application/json",
            "id": f"{position:08x}-{numbers[position]:06x}",
            "receivedat": at,
            "source": "shop/web",
            "specversion": "1.0",
            "subject": subject,
            "time": at,
            "type": "tactus.touchpoint.v1",
        }
        yield subject.encode(), json.dumps(record, separators=(",", ":")).encode()


def data(touchpoint: str, channel: str, *, customer: str, number: int) -> dict[str, object]:
    """The data of one event, its keys sorted as ingest sorts them."""
    body: dict[str, object] = {"channel": channel, "identities": [{"kind": "customer", "value": customer}]}
    properties: dict[str, object] = {}
    if channel == "pos":
        body["place"] = f"store/{number % STORES:03d}"
    if touchpoint == "call.answered":
        properties["wait_seconds"] = number % 600
    if touchpoint == "delivery.delivered":
        properties["hours_late"] = number % 70 - 40
    properties["session"] = f"s-{number:06d}"
    properties["url"] = f"https://shop.example/catalogue/{number % 977}?ref=newsletter"
    body["properties"] = properties
    if touchpoint == "survey.csat":
        body["rating"] = {"scale": "csat5", "value": number % 5 + 1}
    body["touchpoint"] = touchpoint
    return body


def stamp(at: datetime) -> str:
    """RFC 3339 with microseconds, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
