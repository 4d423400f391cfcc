"""Send by segment-analytics-python: `python by_python.py URL KEY PREFIX`; prints the messages' ids."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from segment.analytics.client import Client  # type: ignore[import-untyped]  # ships no types


def main(url: str, key: str, prefix: str) -> None:
    client = Client(key, host=url, max_retries=10, upload_interval=0.2, gzip=True)
    at = datetime.now(UTC)
    client.identify(f"{prefix}-customer", {"email": f"{prefix}@example.com", "plan": "gold"}, message_id=f"{prefix}-0")
    client.track(
        f"{prefix}-customer",
        "Order Completed",
        {"order_id": "o-1", "revenue": 12.5},
        timestamp=at,
        anonymous_id=f"{prefix}-visitor",
        message_id=f"{prefix}-1",
    )
    client.page(f"{prefix}-customer", "Docs", "Home", {"url": "https://shop.example/"}, message_id=f"{prefix}-2")
    client.screen(f"{prefix}-customer", "Shop", "Cart", message_id=f"{prefix}-3")
    client.group(f"{prefix}-customer", "acme", {"name": "Acme"}, message_id=f"{prefix}-4")
    client.alias(f"{prefix}-visitor", f"{prefix}-customer", message_id=f"{prefix}-5")
    client.track(f"{prefix}-customer", "Lamp Dimmed", message_id=f"{prefix}-6")
    client.alias(f"{prefix}-guest", f"{prefix}-customer", message_id=f"{prefix}-7")
    client.track(f"{prefix}-guest", "Lamp Dimmed", message_id=f"{prefix}-8")
    client.flush()
    client.shutdown()
    sys.stdout.write("\n".join(f"{prefix}-{number}" for number in range(9)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
