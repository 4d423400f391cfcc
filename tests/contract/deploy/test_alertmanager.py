from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.prometheus import amtool

Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[3]
CONFIGURATION = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
RULES = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
ALERTS: list[dict[str, Any]] = [
    rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
]


def receiver_of(alert: dict[str, Any]) -> str:
    if alert["labels"].get("subject") == "experience":
        return "experience"
    return "on-call" if alert["labels"]["severity"] == "critical" else "operators"


def test_the_configuration_is_valid(run: Run) -> None:
    checked = run(amtool(), "check-config", CONFIGURATION)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_route_to_nobody_is_noticed(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "alertmanager.yml"
    broken.write_text(CONFIGURATION.read_text().replace("- receiver: on-call", "- receiver: nobody"))

    assert run(amtool(), "check-config", broken).returncode != 0


@pytest.mark.parametrize("alert", ALERTS, ids=[alert["alert"] for alert in ALERTS])
def test_an_alert_reaches_whom_it_concerns(alert: dict[str, Any], run: Run) -> None:
    labels = [f"{name}={value}" for name, value in {"alertname": alert["alert"], **alert["labels"]}.items()]

    routed = run(amtool(), "config", "routes", "test", f"--config.file={CONFIGURATION}", *labels)

    assert routed.returncode == 0, routed.stderr
    assert routed.stdout.split() == [receiver_of(alert)]


def test_an_alert_that_silences_others_exists_and_so_do_they() -> None:
    names = {alert["alert"] for alert in ALERTS}
    matchers = [
        matcher
        for rule in yaml.safe_load(CONFIGURATION.read_text())["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
    ]
    named = {name for matcher in matchers for name in matcher.split("=", 1)[1].strip('~ "').split("|")}

    assert named <= names


def test_prometheus_tells_the_alertmanager_that_compose_runs(compose: dict[str, Any]) -> None:
    prometheus = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    [manager] = prometheus["alerting"]["alertmanagers"]
    [discovery] = manager["dns_sd_configs"]

    assert discovery["names"] == ["alertmanager"]
    assert f"127.0.0.1:{discovery['port']}:9093" in compose["services"]["alertmanager"]["ports"]
