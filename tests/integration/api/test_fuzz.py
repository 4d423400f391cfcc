"""Machine-made requests, good and bad, over the whole contract of the read API: none finds a fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.apiprocess import api_process
from tests.support.customers import Lived, store_person
from tests.support.openapi import GENERATED
from tests.support.readapi import KEY, T
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

CASES_MAX = 40
"""For each operation; the phases with fixed cases come on top."""


async def test_no_machine_made_request_breaks_the_contract(postgres_dsn: str, tmp_path: Path) -> None:
    # The document's own example of a customer exists, so that answers of every kind are seen.
    events = [Lived("customer:c1", "call.answered", T, -0.5), Lived("device:d1", "survey.nps", T, 1.0)]
    await store_person(postgres_dsn, events, customer="customer:c1", version=1)

    with api_process(postgres_dsn, tmp_path) as api:
        wait_until(
            lambda: httpx.get(f"{api.url}/readyz").status_code == 200, what="it is ready"
        )
        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", str(GENERATED / "openapi-read.json")),
                *("--url", api.url, "--header", f"Authorization: Bearer {KEY}"),
                *("--checks", "all", "--mode", "all", "--phases", "examples,coverage,fuzzing,stateful"),
                *("--max-examples", str(CASES_MAX), "--continue-on-failure", "--seed", "1"),
                *("--suppress-health-check", "all", "--request-timeout", "10", "--generation-database", "none"),
                "--no-color",
            ],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        code = api.stop()

    print(run.stdout[-20000:]) if run.returncode else None
    assert run.returncode == 0, run.stdout + run.stderr
    assert code == 0
