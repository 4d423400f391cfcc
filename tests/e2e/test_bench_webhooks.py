"""The bench of webhooks runs through, and a black hole among the endpoints is no wait for the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]

BLACK_HOLE_S = 15.0
"""What an attempt there takes: who waited behind one would wait as long."""


def test_a_black_hole_is_no_wait_for_the_others(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    counts = ("--endpoints", "20", "--alerts", "10", "--rate", "5", "--runs", "1")

    done = subprocess.run(
        [sys.executable, "-m", "bench.webhooks", *counts, "--json", figures],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": "/tmp"},  # noqa: S108 - a socket's path must be short
        capture_output=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()[-3000:]
    told = json.loads(figures.read_text())
    assert told["deliveries_each_run"] == 190
    assert 0 < told["p95_ms_with_a_black_hole"] < 1000 * BLACK_HOLE_S
