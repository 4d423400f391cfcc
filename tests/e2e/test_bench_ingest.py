"""The bench of the doors counts what it claims: the log has every event that a door acknowledged, once."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-bench" / "bin" / "python"
SHORT = [
    "--warm-up",
    "0.1",
    "--rounds",
    "2",
    "--round",
    "0.3",
    "--half-loads",
    "2",
    "--saturation",
    "0.1",
    "--half-load",
    "0.3",
]
FORMS = ["native", "segment", "till", "camel"]


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of one short run."""
    assert PYTHON.exists(), "the peers have an environment of their own: run `make bench-environment`"
    path = tmp_path_factory.mktemp("bench") / "figures.json"
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-m", "bench.ingest", *SHORT, "--json", path],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": "/tmp"},  # noqa: S108 - a socket's path must be short
        capture_output=True,
        timeout=420,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    result: dict[str, Any] = json.loads(path.read_text())
    assert json.loads(done.stdout) == result
    return result


def test_every_acknowledged_event_is_in_the_log_once(figures: dict[str, Any]) -> None:
    counts = figures["counts"]

    assert figures["kept"]
    assert list(counts) == FORMS
    for one in counts.values():
        assert one["acknowledged"] == one["in_log"] == one["distinct"] > 0


def test_every_form_and_size_has_its_cost_and_its_latency(figures: dict[str, Any]) -> None:
    forms = figures["forms"]

    assert list(forms) == FORMS
    for sizes in forms.values():
        assert list(sizes) == ["1", "100"]
        for one in sizes.values():
            assert len(one["rounds_cpu_us"]) == 2
            assert min(one["rounds_cpu_us"]) <= one["cpu_us_per_event"] <= max(one["rounds_cpu_us"])
            assert one["saturation_events_per_s"] > 0
            half = one["half_load"]
            assert half["requests"] > 0
            assert 0 < half["p50_ms"] <= half["p99_ms"] <= half["max_ms"]


def test_ratios_are_to_the_native_form_of_the_same_run(figures: dict[str, Any]) -> None:
    forms = figures["forms"]

    assert {one["ratio_to_native"] for one in forms["native"].values()} == {1.0}
    for size in ("1", "100"):
        cost = [one["rounds_cpu_us"] for one in (forms["till"][size], forms["native"][size])]
        ratios = [till / native for till, native in zip(*cost, strict=True)]
        assert forms["till"][size]["ratio_to_native"] == pytest.approx(sum(ratios) / 2, rel=0.01)
    assert isinstance(figures["ratios_met"], bool)
    assert isinstance(figures["p99_met"], bool)
