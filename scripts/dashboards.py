"""Grafana's dashboards, as code: `scripts/generated.py` writes them to deploy/grafana/dashboards."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import StackingMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="prometheus")
"""As deploy/grafana/provisioning names it."""

COLUMNS: Final = 24
"""Of Grafana's grid; two panels stand side by side."""

HEIGHT: Final = 8


class Panel(NamedTuple):
    """One picture: what it says, and the queries that draw it, each with the legend of its lines."""

    title: str
    about: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    stacked: bool = False
    number: bool = False
    """One figure instead of lines."""


PERSONS: Final = "max by (band) (tactus_scored_persons)"
KNOWN: Final = 'sum(max by (band) (tactus_scored_persons{band!="unknown"}))'


def _mean_valence(window: str) -> str:
    sums = [
        f"sum by (touchpoint) (increase(tactus_touchpoint_{side}_valence_total[{window}]))" for side in ("good", "bad")
    ]
    return f"({sums[0]} - {sums[1]}) / (sum by (touchpoint) (increase(tactus_touchpoint_events_total[{window}])) > 5)"


def _quantile(share: float, metric: str) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket[$__rate_interval])))"


EXPERIENCE: Final = (
    Panel(
        "Customers by band",
        "By their stored scores; unknown: too little was seen of them.",
        [(PERSONS, "{{band}}")],
        stacked=True,
    ),
    Panel(
        "Share that is critical",
        "Of customers whose band is known.",
        [(f'max(tactus_scored_persons{{band="critical"}}) / {KNOWN}', "critical")],
        unit="percentunit",
    ),
    Panel(
        "Open alerts",
        "Customers and accounts whose score has fallen and not recovered.",
        [("sum by (severity) (max by (severity) (tactus_alerts_open))", "{{severity}}")],
        stacked=True,
    ),
    Panel(
        "Alerts and incidents",
        "Opened in an hour; an incident is many alerts of one cause.",
        [
            ('sum by (severity) (increase(tactus_alerts_total{state="opened"}[1h]))', "alerts, {{severity}}"),
            ('sum(increase(tactus_incidents_total{state="opened"}[1h]))', "incidents"),
        ],
    ),
    Panel(
        "Touchpoints that feel worst",
        "Mean valence of the last hour, −1 to 1, of touchpoints with more than five events.",
        [(f"bottomk(8, {_mean_valence('1h')})", "{{touchpoint}}")],
    ),
    Panel(
        "Touchpoints that turned worse",
        "The last hour's mean valence less that of the day before.",
        [(f"bottomk(8, {_mean_valence('1h')} - {_mean_valence('1d')})", "{{touchpoint}}")],
    ),
    Panel(
        "Events by touchpoint",
        "What is lived through, events a second.",
        [("topk(10, sum by (touchpoint) (rate(tactus_touchpoint_events_total[$__rate_interval])))", "{{touchpoint}}")],
        stacked=True,
    ),
    Panel(
        "Events by channel",
        "What the door takes, events a second.",
        [('sum by (channel) (rate(tactus_ingest_events_total{outcome="accepted"}[$__rate_interval]))', "{{channel}}")],
        stacked=True,
    ),
    Panel(
        "Silent sources",
        "For how long each source has been silent that should not be.",
        [("tactus_source_silent_seconds", "{{source}}")],
        unit="s",
    ),
    Panel(
        "Scores as they are written",
        "Quartiles of the scores that events and promises changed.",
        [
            (
                f'histogram_quantile({share}, sum by (le) (rate(tactus_scores_bucket{{dimension="overall"}}[$__rate_interval])))',
                name,
            )
            for share, name in ((0.25, "lower quartile"), (0.5, "median"), (0.75, "upper quartile"))
        ],
    ),
)

SERVICE: Final = (
    Panel(
        "Unaccounted records",
        "Conservation: anything but 0 is a fault.",
        [("max(abs(tactus_conservation_gap_records))", "gap")],
        number=True,
    ),
    Panel(
        "Records behind",
        "Of the log, not yet counted.",
        [("sum(max by (topic, partition) (tactus_consumer_lag_records))", "lag")],
        number=True,
    ),
    Panel(
        "Requests at the door",
        "A second, by outcome.",
        [("sum by (outcome) (rate(tactus_ingest_requests_total[$__rate_interval]))", "{{outcome}}")],
        stacked=True,
    ),
    Panel(
        "Time of a request",
        "Until its answer.",
        [
            (_quantile(0.5, "tactus_ingest_request_duration_seconds"), "median"),
            (_quantile(0.99, "tactus_ingest_request_duration_seconds"), "99 %"),
        ],
        unit="s",
    ),
    Panel(
        "From the log to the score",
        "How old a record was when its score was there.",
        [
            (_quantile(0.5, "tactus_ack_to_score_seconds"), "median"),
            (_quantile(0.99, "tactus_ack_to_score_seconds"), "99 %"),
        ],
        unit="s",
    ),
    Panel(
        "Events counted",
        "A second, by outcome.",
        [("sum by (outcome) (rate(tactus_events_total[$__rate_interval]))", "{{outcome}}")],
        stacked=True,
    ),
    Panel(
        "Dead letters",
        "In an hour, by reason.",
        [("sum by (reason) (increase(tactus_dead_letters_total[1h]))", "{{reason}}")],
        stacked=True,
    ),
    Panel("Spool", "Bytes that wait on ingest's disk.", [("sum(tactus_spool_bytes)", "bytes")], unit="bytes"),
    Panel("Workers that lost a partition", "In an hour.", [("sum(increase(tactus_fenced_total[1h]))", "fenced")]),
    Panel(
        "Refusals of the read API",
        "A second, by reason.",
        [("sum by (reason) (rate(tactus_api_refusals_total[$__rate_interval]))", "{{reason}}")],
    ),
    Panel("Memory", "Resident, by process.", [("process_resident_memory_bytes", "{{job}} {{instance}}")], unit="bytes"),
    Panel(
        "Processor",
        "Cores used, by process.",
        [("rate(process_cpu_seconds_total[$__rate_interval])", "{{job}} {{instance}}")],
    ),
)

DASHBOARDS: Final = {
    "experience": ("Tactus: experience", "What customers live through, and where it gets worse.", EXPERIENCE),
    "service": ("Tactus: service", "Whether everything that comes is counted, and how soon.", SERVICE),
}


def dashboards() -> dict[str, str]:
    """The text of every dashboard by its file's name."""
    return {f"{name}.json": _dashboard(name, *rest) for name, rest in DASHBOARDS.items()}


def _dashboard(name: str, title: str, about: str, panels: Sequence[Panel]) -> str:
    builder = dashboard.Dashboard(title).uid(f"tactus-{name}").description(about).tags(["tactus"]).refresh("10s")
    builder.time("now-6h", "now").timezone("browser").readonly()
    for panel in panels:
        builder.with_panel(_panel(panel))
    return JSONEncoder(sort_keys=True, indent=2).encode(builder.build()) + "\n"


def _panel(panel: Panel) -> timeseries.Panel | stat.Panel:
    drawn: timeseries.Panel | stat.Panel = stat.Panel() if panel.number else timeseries.Panel()
    drawn.title(panel.title).description(panel.about).unit(panel.unit).datasource(SOURCE)
    drawn.span(COLUMNS // 2).height(HEIGHT)
    for letter, (expression, legend) in zip(ascii_uppercase, panel.queries, strict=False):
        drawn.with_target(prometheus.Dataquery().ref_id(letter).expr(expression).legend_format(legend))
    if panel.stacked and isinstance(drawn, timeseries.Panel):
        drawn.min(0).fill_opacity(30).stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    return drawn
