from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def recipe(*arguments: str) -> str:
    """What make would run, whatever the make that runs these tests was told."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = ["make", "-n", "--no-print-directory", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=environment)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (("up",), ".venv/bin/tactus up"),
        (("up", "DATA=a b", "WORKERS=2"), '.venv/bin/tactus up --data "a b" --workers "2"'),
        (("demo", "SECONDS=20", "KEEP=1"), '.venv/bin/tactus demo --seconds "20" --keep'),
        (("demo", "PICTURE=docs/a b.svg"), '.venv/bin/tactus demo --picture "docs/a b.svg"'),
        (
            ("faults", "SCALE=2", "SEED=7"),
            (
                "FAULT_SCALE=2 FAULT_SEED=7 .venv/bin/python -m pytest -s tests/faults/test_bad_input.py "
                "tests/faults/test_spoilt_ways.py tests/faults/test_spooling.py tests/faults/test_planted.py "
                "tests/faults/test_webhooks_killed.py tests/faults/test_feed.py tests/faults/test_killed_notifying.py"
            ),
        ),
        (("bench-worker", "JSON=a b"), '.venv-bench/bin/python -m bench.worker --json "a b"'),
        (("bench-outbound", "JSON=a b"), '.venv/bin/python -m bench.outbound --json "a b"'),
        (("bench-read", "JSON=a b"), '.venv/bin/python -m bench.read --json "a b"'),
        (("bench-ingest", "JSON=a b"), '.venv-bench/bin/python -m bench.ingest --json "a b"'),
    ],
)
def test_arguments_of_make_reach_the_command_whole(arguments: tuple[str, ...], command: str) -> None:
    assert " ".join(recipe(*arguments).split()) == command
