from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from services.infra import metrics
from services.infra.settings import Settings
from tests.support.prometheus import promtool

Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "prometheus"
RULES = sorted((FOLDER / "rules").glob("*.yml"))
TESTS = sorted((FOLDER / "tests").glob("*.yml"))


def load(path: Path) -> Any:  # noqa: ANN401 - what a YAML file holds
    return yaml.safe_load(path.read_text(encoding="utf-8"))


ALERTS: list[dict[str, Any]] = [rule for path in RULES for group in load(path)["groups"] for rule in group["rules"]]
NAMES = [alert["alert"] for alert in ALERTS]
EXPECTATIONS: list[dict[str, Any]] = [
    expectation for path in TESTS for test in load(path)["tests"] for expectation in test["alert_rule_test"]
]


def test_the_configuration_and_its_rules_are_valid(run: Run) -> None:
    config = run(promtool(), "check", "config", FOLDER / "prometheus.yml")
    rules = run(promtool(), "check", "rules", *RULES)

    assert config.returncode == 0, config.stdout + config.stderr
    assert rules.returncode == 0, rules.stdout + rules.stderr
    assert sum(map(int, re.findall(r"(\d+) rules found", rules.stdout))) == len(ALERTS)


def test_the_alerts_fire_when_they_must_and_only_then(run: Run) -> None:
    tested = run(promtool(), "test", "rules", *TESTS)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_promtool_notices_a_rule_that_cannot_be_parsed(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(RULES[0].read_text(encoding="utf-8").replace("sum(", "summ("))

    assert run(promtool(), "check", "rules", broken).returncode != 0


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_is_tested_both_firing_and_silent(name: str) -> None:
    fires = {bool(e["exp_alerts"]) for e in EXPECTATIONS if e["alertname"] == name}

    assert fires == {True, False}


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_an_alert_leads_to_its_runbook(alert: dict[str, Any]) -> None:
    runbook = ROOT / alert["annotations"]["runbook"]

    assert runbook == ROOT / "docs" / "runbooks" / f"{alert['alert']}.md"
    words = runbook.read_text(encoding="utf-8")
    assert words.startswith(f"# {alert['alert']}\n")
    for heading in ("## What it means", "## Look", "## Do"):
        assert f"\n{heading}\n" in words


def test_no_runbook_is_left_without_its_alert() -> None:
    runbooks = {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")}

    assert runbooks == set(NAMES)


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_an_alert_uses_only_metrics_that_are_declared(alert: dict[str, Any]) -> None:
    used = set(re.findall(r"\b(?:tactus|process)_[a-z_]+", alert["expr"]))
    declared = set(REGISTRY._names_to_collectors)

    assert used or "up{" in alert["expr"]
    assert used <= declared


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_an_alert_says_how_bad_it_is_with_a_known_label(alert: dict[str, Any]) -> None:
    assert set(alert["labels"]) <= metrics.LABELS
    assert alert["labels"]["severity"] in {"critical", "warning"}


def test_every_process_is_scraped_at_the_port_it_listens_on(compose: dict[str, Any]) -> None:
    settings = Settings()
    expected = {
        "ingest": settings.ingest.metrics_port,
        "aggregator": settings.aggregator.metrics_port,
        "api": settings.api.metrics_port,
        "outbound": settings.outbound.metrics_port,
    }
    scraped = {
        discovery["names"][0]: discovery["port"]
        for job in load(FOLDER / "prometheus.yml")["scrape_configs"]
        for discovery in job.get("dns_sd_configs", [])
    }

    assert scraped == expected
    assert set(scraped) <= set(compose["services"])
