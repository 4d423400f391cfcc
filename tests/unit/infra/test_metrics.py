from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from services.infra import metrics
from services.infra.buckets import REQUEST_BUCKETS_S
from services.infra.collectors import LABEL_VALUES_MAX, Distribution, Levels, Means, Totals, Waits

VALUES_MAX = {
    "channel": 32,  # the catalogue's and `other`
    "adapter": 32,
    "class": 6,
    "outcome": 8,
    "reason": 48,
    "rule": 3,
    "topic": 5,
    "partition": 64,
    "touchpoint": LABEL_VALUES_MAX,
    "band": 32,
    "dimension": 8,
    "source": metrics.SOURCES_SHOWN_MAX,
    "version": 1,
    "severity": 2,
    "state": 6,
    "subject": 12,
}
BASE_UNITS = (
    "_seconds",
    "_bytes",
    "_records",
    "_events",
    "_persons",
    "_accounts",
    "_calls",
    "_endpoints",
    "_requests",
    "_total",
    "_info",
)
UNITLESS = {
    "tactus_scores",
    "tactus_touchpoint_valence",
    "tactus_alerts_open",
    "tactus_incidents_open",
    "tactus_alerts_judged",
}

DECLARED = {
    name: metric
    for name, metric in vars(metrics).items()
    if isinstance(metric, MetricWrapperBase | Totals | Levels | Distribution | Means | Waits)
}


def labels_of(metric: object) -> tuple[str, ...]:
    name = "_labelnames" if isinstance(metric, MetricWrapperBase) else "labelnames"
    return tuple(getattr(metric, name))


def public_name(metric: object) -> str:
    family = next(iter(metric.describe()))  # type: ignore[attr-defined]  # every collector has it
    suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
    return str(family.name) + suffix


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_metric_has_a_prefix_help_a_base_unit_and_only_allowed_labels(name: str) -> None:
    metric = DECLARED[name]
    family = next(iter(metric.describe()))

    assert public_name(metric).startswith("tactus_")
    assert len(family.documentation) > 10
    assert family.documentation.endswith(".")
    assert public_name(metric).endswith(BASE_UNITS) or public_name(metric) in UNITLESS
    assert set(labels_of(metric)) <= metrics.LABELS


def test_every_metric_of_the_process_is_declared_in_one_file() -> None:
    ours = {name for name in REGISTRY._names_to_collectors if name.startswith("tactus_")}
    declared = {name for metric in DECLARED.values() for name in REGISTRY._collector_to_names[metric]}

    assert ours == declared


def test_no_other_module_declares_a_metric() -> None:
    root = Path(metrics.__file__).parents[1]
    allowed = {
        root / "infra" / "metrics.py",
        root / "infra" / "collectors.py",
        root / "infra" / "http" / "operations.py",
    }
    elsewhere = [
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if path not in allowed
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if imports_declarations(node)
    ]

    assert elsewhere == []


def imports_declarations(node: ast.AST) -> bool:
    """Whether a statement imports what declares metrics; reading them back is everybody's right."""
    match node:
        case ast.Import(names=names):
            modules = [name.name for name in names]
        case ast.ImportFrom(module=str(module)):
            modules = [module]
        case _:
            return False
    return any(module.split(".")[0] == "prometheus_client" and not module.endswith(".parser") for module in modules)


def test_one_process_cannot_show_more_series_than_the_cap() -> None:
    worst = 0
    for metric in DECLARED.values():
        match metric:
            case Histogram():
                buckets = len(REQUEST_BUCKETS_S)
            case Distribution(buckets=bounds):
                buckets = len(bounds)
            case _:
                buckets = 0
        combinations = math.prod(VALUES_MAX[label] for label in labels_of(metric))
        worst += combinations * (buckets + 4)

    assert worst <= metrics.SERIES_MAX


def test_a_label_value_nobody_knows_counts_as_other() -> None:
    assert metrics.label_of("web", known={"web"}) == "web"
    assert metrics.label_of("x" * 9000, known={"web"}) == "other"


def test_a_flood_of_values_of_a_label_stays_within_the_limit() -> None:
    registry = CollectorRegistry()
    scores = Distribution("tactus_s", "Help.", buckets=(1.0,), label="dimension", registry=registry)

    for number in range(LABEL_VALUES_MAX + 5):
        scores.observe_many(np.array([1.0]), f"d{number}")

    assert registry.get_sample_value("tactus_s_count", {"dimension": "other"}) == 5


def test_a_flood_of_touchpoints_stays_within_the_label_limit() -> None:
    registry = CollectorRegistry()
    means = Means("tactus_m", "Help.", label="touchpoint", registry=registry)

    means.add({f"t{number}": (1.0, 1) for number in range(LABEL_VALUES_MAX * 2)})

    samples = next(iter(registry.collect())).samples
    assert len(samples) == LABEL_VALUES_MAX + 1
    assert {"touchpoint": "other"} in [sample.labels for sample in samples]


def test_a_mean_is_the_sum_over_all_additions_by_their_count() -> None:
    registry = CollectorRegistry()
    means = Means("tactus_m", "Help.", label="touchpoint", registry=registry)

    means.add({"order.delivered": (1.5, 2), "survey.nps": (0.0, 0)})
    means.add({"order.delivered": (-0.5, 2)})

    assert registry.get_sample_value("tactus_m", {"touchpoint": "order.delivered"}) == (0.25)
    assert registry.get_sample_value("tactus_m", {"touchpoint": "survey.nps"}) is None


def test_a_distribution_counts_a_value_on_a_bound_in_that_bucket() -> None:
    registry = CollectorRegistry()
    lag = Distribution("tactus_d_seconds", "Help.", buckets=(1.0, 2.0), registry=registry)

    lag.observe_many(np.array([0.5, 1.0, 1.5, 7.0]))
    lag.observe_many(np.array([2.0]))

    def bucket(bound: str) -> float | None:
        return registry.get_sample_value("tactus_d_seconds_bucket", {"le": bound})

    assert [bucket("1.0"), bucket("2.0"), bucket("+Inf")] == [2.0, 4.0, 5.0]
    assert registry.get_sample_value("tactus_d_seconds_count") == 5.0
    assert registry.get_sample_value("tactus_d_seconds_sum") == 12.0


def test_a_distribution_adds_up_by_its_label() -> None:
    registry = CollectorRegistry()
    scores = Distribution("tactus_s", "Help.", buckets=(50.0, 100.0), label="dimension", registry=registry)

    scores.observe_many(np.array([40.0, 70.0, 80.0]), "overall")
    scores.observe_many(np.array([10.0]), "overall")
    scores.observe_many(np.array([70.0]), "stage")

    labels = {"dimension": "overall"}
    assert registry.get_sample_value("tactus_s_bucket", {**labels, "le": "50.0"}) == 2
    assert registry.get_sample_value("tactus_s_count", labels) == 4
    assert registry.get_sample_value("tactus_s_sum", labels) == 200.0


def test_a_distribution_without_a_label_is_shown_before_it_has_values() -> None:
    registry = CollectorRegistry()
    Distribution("tactus_d_seconds", "Help.", buckets=(1.0,), registry=registry)
    Distribution("tactus_s", "Help.", buckets=(1.0,), label="dimension", registry=registry)

    assert registry.get_sample_value("tactus_d_seconds_count") == 0
    assert list(registry.collect())[1].samples == []


def test_values_under_no_label_or_too_many_are_refused() -> None:
    scores = Distribution("tactus_s", "Help.", buckets=(50.0,), label="dimension", registry=CollectorRegistry())

    for labels in ((), ("overall", "stage")):
        with pytest.raises(ValueError, match="dimension"):
            scores.observe_many(np.array([1.0]), *labels)


def test_totals_show_the_last_ones_set_and_no_others() -> None:
    registry = CollectorRegistry()
    totals = Totals("tactus_t_total", "Help.", label="outcome", registry=registry)

    totals.set({"applied": 3, "dead": 1})
    totals.set({"applied": 5})

    assert registry.get_sample_value("tactus_t_total", {"outcome": "applied"}) == 5
    assert registry.get_sample_value("tactus_t_total", {"outcome": "dead"}) is None


def test_levels_show_the_last_ones_set_and_no_others() -> None:
    registry = CollectorRegistry()
    levels = Levels("tactus_l_seconds", "Help.", label="source", registry=registry)

    levels.set({"web": 3, "shop": 1})
    levels.set({"web": -5})

    assert registry.get_sample_value("tactus_l_seconds", {"source": "web"}) == -5
    assert registry.get_sample_value("tactus_l_seconds", {"source": "shop"}) is None


def test_the_exposition_is_read_back_by_the_librarys_own_parser() -> None:
    families = {family.name for family in text_string_to_metric_families(generate_latest(REGISTRY).decode())}

    assert "tactus_ingest_requests" in families
    assert "tactus_event_time_lag_seconds" in families
