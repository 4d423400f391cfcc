"""The bench compares like with like: every contender ends with the same tallies."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-bench" / "bin" / "python"
EVENTS = 12_000


def test_all_four_contenders_end_with_equal_tallies(tmp_path: Path) -> None:
    assert PYTHON.exists(), "the peers have an environment of their own: run `make bench-environment`"
    figures = tmp_path / "figures.json"

    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-m", "bench.worker", "--events", str(EVENTS), "--json", figures],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": "/tmp"},  # noqa: S108 - a socket's path must be short
        capture_output=True,
        timeout=420,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()[-3000:]
    result = json.loads(figures.read_text())
    assert {"events_per_s", "ratios", "rss_mib"} <= result.keys()
    assert result["ratios"].keys() == {"aiokafka", "quix", "take"}
    digests = {one["tallies"] for one in result["contenders"].values()}
    assert result["equal_tallies"]
    assert len(digests) == 1
    assert None not in digests
