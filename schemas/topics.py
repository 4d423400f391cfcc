"""The names of the log's topics and of the group that reads them."""

from __future__ import annotations

from typing import Final

EVENTS: Final = "cx.touchpoints.v1"
LATE: Final = "cx.touchpoints.late.v1"
SCORES: Final = "cx.scores.v1"
ALERTS: Final = "cx.alerts.v1"
DLQ: Final = "cx.touchpoints.dlq.v1"

EVENT_TOPICS: Final = (EVENTS, LATE)
"""What the conservation law counts."""

GROUP: Final = "tactus-aggregator"
"""Faust's application id and hence its consumer group."""

Partition = tuple[str, int]
"""A topic and the number of one of its partitions."""
