"""Metrics that the client library has no type for: fed in batches, or from totals kept elsewhere."""

from __future__ import annotations

import time
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


class Levels(Collector):
    """A gauge whose values are kept elsewhere (Postgres) and only shown here: what is gone there is gone here."""

    def __init__(self, name: str, documentation: str, *, label: str, registry: CollectorRegistry) -> None:
        self.name = name
        self.documentation = documentation
        self.labelnames = (label,)
        self._levels: Mapping[str, float] = {}
        registry.register(self)

    def set(self, levels: Mapping[str, float]) -> None:
        """Show these values from here on, and no others."""
        self._levels = dict(levels)

    def describe(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(self.name, self.documentation)

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self.name, self.documentation, labels=self.labelnames)
        for value, level in sorted(self._levels.items()):
            family.add_metric([value], level)
        yield family


class Waits(Collector):
    """A gauge of how long something has waited; it goes on growing while nobody can look."""

    def __init__(self, name: str, documentation: str, *, label: str, registry: CollectorRegistry) -> None:
        self.name = name
        self.documentation = documentation
        self.labelnames = (label,)
        self._since: Mapping[str, float | None] = {}
        registry.register(self)

    def set(self, since_s: Mapping[str, float | None]) -> None:
        """Show from here on how long it is since these times of the monotonic clock; None: nothing waits."""
        self._since = dict(since_s)

    def describe(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(self.name, self.documentation)

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self.name, self.documentation, labels=self.labelnames)
        now_s = time.monotonic()
        for value, since_s in sorted(self._since.items()):
            family.add_metric([value], 0.0 if since_s is None else max(0.0, now_s - since_s))
        yield family


class Distribution(Collector):
    """A histogram that takes a whole chunk's values in one call, with one label or none.

    A classic histogram costs about a microsecond a value, in Python; a chunk has thousands.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
        label: str | None = None,
    ) -> None:
        self.name = name
        self.documentation = documentation
        self.buckets = tuple(buckets)
        self.labelnames: tuple[str, ...] = () if label is None else (label,)
        self._bounds = np.asarray(buckets, dtype=np.float64)
        self._names = [*map(floatToGoString, buckets), "+Inf"]
        self._state: dict[tuple[str, ...], tuple[NDArray[np.int64], float]] = {}
        self._lock = Lock()
        registry.register(self)
        if label is None:
            self._add((), np.zeros(len(self._names), dtype=np.int64), 0.0)

    def observe_many(self, values: NDArray[np.float64], *labels: str) -> None:
        """Count each value in the first bucket whose bound is not below it, under the label's value if it has one."""
        if len(labels) != len(self.labelnames):
            raise ValueError(f"expected a value for each of {self.labelnames}, got {labels}")
        places = np.searchsorted(self._bounds, values, side="left")
        self._add(labels, np.bincount(places, minlength=len(self._names)), float(values.sum()))

    def _add(self, labels: tuple[str, ...], counts: NDArray[np.int64], total: float) -> None:
        with self._lock:
            if labels not in self._state and len(self._state) >= LABEL_VALUES_MAX:
                labels = (OTHER,)
            before, sum_before = self._state.get(labels, (np.int64(0), 0.0))
            self._state[labels] = (before + counts, sum_before + total)

    def describe(self) -> Iterable[Metric]:
        yield HistogramMetricFamily(self.name, self.documentation)

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            state = dict(self._state)
        family = HistogramMetricFamily(self.name, self.documentation, labels=self.labelnames)
        for labels, (counts, total) in sorted(state.items()):
            cumulative = list(zip(self._names, accumulate(counts.tolist()), strict=True))
            family.add_metric(labels, cumulative, total)
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
