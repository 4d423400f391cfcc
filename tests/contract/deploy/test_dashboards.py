from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from services.infra import metrics
from tests.support.prometheus import promtool

Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[3]
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
NAMES = [path.stem for path in DASHBOARDS]


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def expressions(path: Path) -> Iterator[str]:
    for panel in load(path)["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m")


def test_there_is_a_dashboard_for_each_kind_of_reader() -> None:
    assert {"experience", "service"} <= set(NAMES)


@pytest.mark.parametrize("path", DASHBOARDS, ids=NAMES)
def test_every_expression_of_a_dashboard_is_read_by_prometheus(path: Path, run: Run, tmp_path: Path) -> None:
    rules = [{"record": f"dashboard:{number}", "expr": expr} for number, expr in enumerate(expressions(path))]
    written = tmp_path / "rules.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": path.stem, "rules": rules}]}))

    checked = run(promtool(), "check", "rules", written)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout


@pytest.mark.parametrize("path", DASHBOARDS, ids=NAMES)
def test_a_dashboard_asks_only_for_metrics_and_labels_that_are_declared(path: Path) -> None:
    asked = list(expressions(path))
    used = {name for expr in asked for name in re.findall(r"\b(?:tactus|process)_[a-z_]+", expr)}
    by = {
        label.strip() for expr in asked for labels in re.findall(r"by \(([^)]*)\)", expr) for label in labels.split(",")
    }

    assert used
    assert used <= set(REGISTRY._names_to_collectors)
    assert by <= metrics.LABELS | {"le"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=NAMES)
def test_a_dashboard_asks_the_source_that_is_provisioned(path: Path) -> None:
    [source] = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    dashboard = load(path)

    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["uid"]}
    assert all(panel["title"] and panel["description"] for panel in dashboard["panels"])
    assert dashboard["uid"] == f"tactus-{path.stem}"


def test_grafana_finds_what_is_provisioned_where_it_is_mounted(compose: dict[str, Any]) -> None:
    mounted = dict(mount.removesuffix(":ro").split(":") for mount in compose["services"]["grafana"]["volumes"])
    [provider] = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "tactus.yml").read_text())["providers"]

    assert mounted["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    assert mounted["./deploy/grafana/dashboards"] == provider["options"]["path"]
    home = Path(compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.name in {path.name for path in DASHBOARDS}
