"""The buckets of histograms: where what is measured is told apart."""

from __future__ import annotations

from typing import Final

REQUEST_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a request that needs no wait to the longest deadline an operator may set twice over."""

LAG_BUCKETS_S: Final = (
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0,
)  # fmt: skip
"""From a live beacon to what the late topic's border of 24 hours lets through."""

CHUNK_BUCKETS_EVENTS: Final = (1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 2000.0, 4000.0, 6000.0, 10_000.0, 20_000.0)
"""Up to the largest chunk that settings allow."""

SCORE_BUCKETS: Final = tuple(5.0 * step for step in range(1, 21))
"""Steps of 5 hit every border between bands: 25, 40, 60, 80."""
