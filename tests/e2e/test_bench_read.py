"""The bench of reading stores customers, asks about them, and says what it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
CUSTOMERS = 300
REQUESTS = 60


def test_the_core_reads_within_its_goals_and_the_api_answers_about_everybody(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    counts = ("--customers", str(CUSTOMERS), "--requests", str(REQUESTS))

    done = subprocess.run(
        [sys.executable, "-m", "bench.read", *counts, "--json", figures],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": "/tmp"},  # noqa: S108 - a socket's path must be short
        capture_output=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()[-3000:]
    told = json.loads(figures.read_text())
    core, api, goals = told["core"], told["api"], told["goals"]
    assert core["tallies"] == 500
    # The best of thirty, in seconds of CPU: what a busy machine cannot add to.
    assert core["score"]["best_cpu_ms"] <= goals["score_ms"]
    assert core["history"]["best_cpu_ms"] <= goals["history_ms"]
    assert core["history_by_stage"]["best_cpu_ms"] <= goals["history_ms"]
    assert api["customers"] == CUSTOMERS
    assert api["tallies"] > 10 * CUSTOMERS
    assert api["customer"]["requests"] == REQUESTS
    for name in ("customer", "change", "history"):
        assert api[name]["refused"] == 0
        assert 0 < api[name]["p50_ms"] <= api[name]["p99_ms"]
