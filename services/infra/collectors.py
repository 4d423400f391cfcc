"""Metrics that the client library has no type for: fed in batches, or from totals kept elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

OTHER: Final = "other"
"""What a label says when its value is not one of those known beforehand."""

LABEL_VALUES_MAX: Final = 512
"""Values of one label that a batch collector keeps; the catalogue has about 150 touchpoints."""


class Totals(Collector):
    """A counter whose totals are kept elsewhere (Postgres, the log) and only shown here."""

    def __init__(self, name: str, documentation: str, *, label: str, registry: CollectorRegistry) -> None:
        self.name = name
        self.documentation = documentation
        self.labelnames = (label,)
        self._totals: Mapping[str, float] = {}
        registry.register(self)

    def set(self, totals: Mapping[str, float]) -> None:
        """Show these totals from here on, and no others."""
        self._totals = dict(totals)

    def describe(self) -> Iterable[Metric]:
        yield CounterMetricFamily(self.name, self.documentation)

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self.name, self.documentation, labels=self.labelnames)
        for value, total in sorted(self._totals.items()):
            family.add_metric([value], total)
        yield family


class Distribution(Collector):
    """A histogram that takes a whole chunk's values in one call.

    A classic histogram costs about a microsecond a value, in Python; a chunk has thousands.
    """

    def __init__(self, name: str, documentation: str, *, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        self.name = name
        self.documentation = documentation
        self.labelnames: tuple[str, ...] = ()
        self._bounds = np.asarray(buckets, dtype=np.float64)
        self._labels = [*map(floatToGoString, buckets), "+Inf"]
        self._counts = np.zeros(len(buckets) + 1, dtype=np.int64)
        self._sum = 0.0
        self._lock = Lock()
        registry.register(self)

    def observe(self, value: float) -> None:
        self.observe_many(np.array([value]))

    def observe_many(self, values: NDArray[np.float64]) -> None:
        """Count each value in the first bucket whose bound is not below it."""
        places = np.searchsorted(self._bounds, values, side="left")
        counts = np.bincount(places, minlength=len(self._counts))
        total = float(values.sum())
        with self._lock:
            self._counts += counts
            self._sum += total

    def describe(self) -> Iterable[Metric]:
        yield HistogramMetricFamily(self.name, self.documentation)

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            counts, total = self._counts.tolist(), self._sum
        family = HistogramMetricFamily(self.name, self.documentation, labels=[])
        cumulative = list(zip(self._labels, accumulate(counts), strict=True))
        family.add_metric([], cumulative, total)
        yield family


class ScoreHistogram(Collector):
    """Scores read, by dimension, in buckets over 0 to 100; counts come in ready-made."""

    def __init__(self, name: str, documentation: str, *, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self.name = name
        self.documentation = documentation
        self.labelnames = ("dimension",)
        self._labels = [*map(floatToGoString, bounds), "+Inf"]
        self._state: dict[str, tuple[NDArray[np.int64], float]] = {}
        self._lock = Lock()
        registry.register(self)

    def add(self, dimension: str, counts: NDArray[np.int64], total: float) -> None:
        """Add scores: `counts` per bucket, not cumulative, the last one above every bound; `total` is their sum."""
        if len(counts) != len(self._labels):
            raise ValueError(f"expected {len(self._labels)} buckets, got {len(counts)}")
        with self._lock:
            if dimension not in self._state and len(self._state) >= LABEL_VALUES_MAX:
                dimension = OTHER
            before, sum_before = self._state.get(dimension, (np.int64(0), 0.0))
            self._state[dimension] = (before + counts, sum_before + total)

    def describe(self) -> Iterable[Metric]:
        yield HistogramMetricFamily(self.name, self.documentation)

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            state = dict(self._state)
        family = HistogramMetricFamily(self.name, self.documentation, labels=self.labelnames)
        for dimension, (counts, total) in sorted(state.items()):
            cumulative = list(zip(self._labels, accumulate(counts.tolist()), strict=True))
            family.add_metric([dimension], cumulative, total)
        yield family


class Means(Collector):
    """The mean by label of what was added since the process started."""

    def __init__(self, name: str, documentation: str, *, label: str, registry: CollectorRegistry) -> None:
        self.name = name
        self.documentation = documentation
        self.labelnames = (label,)
        self._state: defaultdict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
        self._lock = Lock()
        registry.register(self)

    def add(self, sums: Mapping[str, tuple[float, int]]) -> None:
        """Add, by label value, a sum and the count of what it sums."""
        with self._lock:
            for value, (total, count) in sums.items():
                known = value in self._state or len(self._state) < LABEL_VALUES_MAX
                name = value if known else OTHER
                before, counted = self._state[name]
                self._state[name] = (before + total, counted + count)

    def describe(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(self.name, self.documentation)

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            state = dict(self._state)
        family = GaugeMetricFamily(self.name, self.documentation, labels=self.labelnames)
        for value, (total, count) in sorted(state.items()):
            if count:
                family.add_metric([value], total / count)
        yield family
