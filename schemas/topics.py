"""The log's topics, how long they keep their records, and the group that reads them."""

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

DAY_MS: Final = 24 * 60 * 60 * 1000

RETENTION_MS: Final = 30 * DAY_MS
"""A month to rebuild from the log, and the longest that a person's raw events stay in it."""

DEAD_RETENTION_MS: Final = 90 * DAY_MS
"""A quarter to mend a sender and replay what it got wrong."""

TOMBSTONE_MS: Final = 7 * DAY_MS
"""A CRM that was away for a week still sees that a person was erased."""
