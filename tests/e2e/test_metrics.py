from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from services.client.connection import Connection
from services.infra import metrics
from tests.support.prometheus import promtool, running_prometheus
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

PROCESSES = {"ingest", "aggregator", "api", "outbound"}

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def urls(stack: Connection) -> list[str]:
    return [url for name in sorted(PROCESSES) for url in stack.metrics[name]]


def scrape(url: str, **headers: str) -> str:
    answer = httpx.get(url, headers=headers, timeout=10, trust_env=False)
    answer.raise_for_status()
    return answer.text


@pytest.fixture(scope="module")
def busy(stack: Connection) -> Connection:
    """A stack that has counted good, bad and unknown events."""
    headers = {"Authorization": f"Bearer {stack.keys['server']}"}
    events: list[dict[str, Any]] = [
        {
            "id": f"e-{number}",
            "source": "metrics",
            "data": {
                "touchpoint": touchpoint,
                "channel": channel,
                "identities": [{"kind": "customer", "value": f"c-{number}"}],
            },
        }
        for number, (touchpoint, channel) in enumerate(
            [("order.delivered", "delivery"), ("x.unheard_of", "pigeon-4711")] * 50
        )
    ]
    for posted in (events, [{"id": "bad"}]):
        httpx.post(f"{stack.ingest}/v1/events", json=posted, headers=headers, timeout=10, trust_env=False)

    def counted() -> bool:
        return total(stack, "tactus_events_total", outcome="applied") >= len(events)

    wait_until(counted, what="the events are counted")
    return stack


def samples(stack: Connection) -> Iterator[tuple[str, dict[str, str], float]]:
    for url in urls(stack):
        for family in parse_plain(scrape(url)):
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value


def total(stack: Connection, wanted: str, **labels: str) -> float:
    return sum(value for name, given, value in samples(stack) if name == wanted and labels.items() <= given.items())


def test_every_process_shows_its_metrics(busy: Connection) -> None:
    assert set(busy.metrics) >= PROCESSES
    for url in urls(busy):
        assert "tactus_build_info" in scrape(url)


def test_no_series_has_a_label_that_is_not_allowed(busy: Connection) -> None:
    labels = {label for name, given, _ in samples(busy) if name.startswith("tactus_") for label in given}

    assert labels - {"le"} <= metrics.LABELS


def test_a_senders_words_are_no_label_values(busy: Connection) -> None:
    values = {value for _, given, _ in samples(busy) for value in given.values()}

    assert not {v for v in values if "4711" in v or "unheard_of" in v or "c-1" in v}
    assert total(busy, "tactus_ingest_events_total", channel="other") > 0


def test_one_process_shows_fewer_series_than_the_cap(busy: Connection) -> None:
    for url in urls(busy):
        lines = [line for line in scrape(url).splitlines() if not line.startswith("#")]
        assert 0 < len(lines) <= metrics.SERIES_MAX


def test_promtool_reads_what_every_process_shows(busy: Connection) -> None:
    for url in urls(busy):
        checked = subprocess.run(
            [promtool(), "check", "metrics"], input=scrape(url), check=False, capture_output=True, text=True, timeout=60
        )
        ours = [line for line in checked.stderr.splitlines() if "tactus_" in line]
        assert checked.returncode != 1, checked.stderr
        assert ours == []


def test_openmetrics_is_read_by_its_own_parser(busy: Connection) -> None:
    for url in urls(busy):
        shown = scrape(url, Accept=OPENMETRICS)
        families = {family.name for family in parse_openmetrics(shown)}  # type: ignore[no-untyped-call]  # the library's parser has no types
        assert "tactus_build" in families


def test_what_was_sent_adds_up(busy: Connection) -> None:
    def adds_up() -> bool:
        logged = sum(
            total(busy, "tactus_log_records_total", topic=topic)
            for topic in ("cx.touchpoints.v1", "cx.touchpoints.late.v1")
        )
        return logged == total(busy, "tactus_events_total") > 0

    wait_until(adds_up, what="the log's records are all accounted for")
    assert total(busy, "tactus_conservation_gap_records") == 0
    assert total(busy, "tactus_chunk_events_sum") > 0
    assert total(busy, "tactus_scores_count", dimension="overall") > 0


def test_prometheus_scrapes_every_process_and_raises_no_alarm(busy: Connection, tmp_path: Path) -> None:
    with running_prometheus(busy.metrics, tmp_path) as prometheus:

        def get(path: str) -> Any:  # noqa: ANN401 - what Prometheus answers
            answer = httpx.get(f"{prometheus}/api/v1/{path}", trust_env=False)
            return answer.json()["data"]

        def all_up() -> bool:
            health = [target["health"] for target in get("targets")["activeTargets"]]
            return len(health) == len(urls(busy)) and set(health) == {"up"}

        wait_until(all_up, what="every process is scraped")

        def evaluated() -> list[dict[str, Any]] | None:
            rules = [rule for g in get("rules")["groups"] for rule in g["rules"]]
            return rules if all(r["health"] != "unknown" for r in rules) else None

        rules = wait_until(evaluated, what="every rule is evaluated")
        assert {rule["health"] for rule in rules} == {"ok"}
        firing = {rule["name"] for rule in rules if rule["state"] == "firing"}
        assert firing <= {"DeadLettersAppearing"}
