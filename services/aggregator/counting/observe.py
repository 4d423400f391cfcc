"""What a committed chunk tells the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.batch import Dead
from services.aggregator.counting.event_columns import EventColumns
from services.aggregator.counting.linking import Followed
from services.aggregator.counting.telling_alerts import Step
from services.aggregator.processor import Chunk
from services.core.catalogue import UNKNOWN
from services.core.dimensions import Leaves
from services.core.tallies import MICRO
from services.infra import metrics


def chunk_counted(chunk: Chunk, *, started_us: int, now_us: int) -> None:
    """How large the chunk was and how long it took, from the first attempt to the commit."""
    metrics.CHUNK_EVENTS.observe(len(chunk.records))
    metrics.CHUNK_SECONDS.observe((now_us - started_us) / 1_000_000)


def events_counted(events: EventColumns, *, chunk: Chunk, leaves: Leaves, now_us: int) -> None:
    """How old the events were, and how the touchpoints felt."""
    appended_us = np.array([record.timestamp for record in chunk.records], dtype=np.float64) * 1000
    metrics.ACK_TO_SCORE_SECONDS.observe_many((now_us - appended_us) / 1_000_000)
    metrics.EVENT_TIME_LAG_SECONDS.observe_many((now_us - events.occurred_us) / 1_000_000)
    used, place = np.unique(events.leaf, return_inverse=True)
    good, bad = (np.bincount(place, weights=np.maximum(sign * events.v, 0) / MICRO).tolist() for sign in (1, -1))
    by_touchpoint: dict[str, tuple[float, int]] = {}
    for leaf, better, worse, count in zip(used.tolist(), good, bad, np.bincount(place).tolist(), strict=True):
        touchpoint = leaves.triples[leaf].touchpoint
        if leaves.entries[leaf].stage == UNKNOWN:
            continue  # a name of the sender's own; the catalogue's names are the only labels
        total, before = by_touchpoint.get(touchpoint, (0.0, 0))
        by_touchpoint[touchpoint] = (total + better - worse, before + count)
        metrics.TOUCHPOINT_EVENTS.labels(touchpoint).inc(count)
        metrics.TOUCHPOINT_GOOD.labels(touchpoint).inc(better)
        metrics.TOUCHPOINT_BAD.labels(touchpoint).inc(worse)
    metrics.TOUCHPOINT_VALENCE.add(by_touchpoint)


def scores_written(scores: NDArray[np.float64]) -> None:
    """Where the scores lie that were written."""
    metrics.SCORES.observe_many(scores, "overall")


def links_followed(followed: Followed) -> None:
    """How many links said too much to count."""
    metrics.LINKS_REFUSED.labels(reason="crowd").inc(followed.in_crowds)
    metrics.LINKS_REFUSED.labels(reason="full").inc(followed.past_bound)


def dead_lettered(dead: Sequence[Dead]) -> None:
    """Why records could not be counted."""
    for reason, count in Counter(one.poison.reason for one in dead).items():
        metrics.DEAD_LETTERS.labels(reason=reason).inc(count)


def alerts_told(steps: Iterable[Step]) -> None:
    """What has happened to alerts."""
    for step in steps:
        if step.happening is not None:
            metrics.ALERTS.labels(severity=step.course.severity, state=step.happening.value).inc()
