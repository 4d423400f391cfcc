"""`tactus explain` against the read API as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from services.state.roles import READER
from tests.support.apiprocess import ApiProcess, api_process
from tests.support.customers import Lived, store_person
from tests.support.databases import as_role
from tests.support.readapi import KEY, T
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

AT = T.isoformat()


@pytest.fixture
async def api(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[ApiProcess]:
    events = [
        Lived("customer:anna/1", "delivery.delivered", T, -0.7, channel="delivery", place="carrier/inpost"),
        Lived("customer:anna/1", "survey.csat", T, 0.5, channel="survey"),
    ]
    await store_person(postgres_dsn, events, customer="customer:anna/1", version=1)
    with api_process(as_role(postgres_dsn, READER), tmp_path) as process:
        wait_until(lambda: _ready(process), what="it is ready")
        yield process


def _ready(api: ApiProcess) -> bool:
    return httpx.get(f"{api.url}/readyz").status_code == 200


def explain(api: ApiProcess, folder: Path, *arguments: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from services.cli import main; main()", "explain", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "TACTUS_READ_KEY": key,
            "TACTUS_API__PORT": str(api.port),
            "PYTHONIOENCODING": "utf-8",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_score_is_explained_without_a_terminal(api: ApiProcess, tmp_path: Path) -> None:
    run = explain(api, tmp_path, "anna/1", "--at", AT)

    lines = run.stdout.splitlines()
    assert (run.returncode, run.stderr) == (0, "")
    assert lines[0] == "customer:anna/1"
    assert "\x1b" not in run.stdout
    assert max(map(len, lines)) <= 80
    assert "carrier/inpost" in run.stdout
    body = httpx.get(
        f"{api.url}/v1/customers/customer:anna%2F1", params={"at": AT}, headers={"Authorization": f"Bearer {KEY}"}
    ).json()
    assert lines[-1].startswith("50.0 ")
    assert lines[-1].endswith(f" = {body['score']:.1f}")


def test_a_score_is_explained_in_polish(api: ApiProcess, tmp_path: Path) -> None:
    run = explain(api, tmp_path, "anna/1", "--at", AT, "--lang", "pl")

    assert (run.returncode, run.stderr) == (0, "")
    assert "Doręczenie przesyłki" in run.stdout
    assert "Wynik " in run.stdout


def test_what_had_not_arrived_by_then_is_left_out(api: ApiProcess, tmp_path: Path) -> None:
    before = (T - timedelta(hours=1)).isoformat()

    run = explain(api, tmp_path, "anna/1", "--at", before, "--known-then")

    assert (run.returncode, run.stderr) == (0, "")
    assert "Score 50.0 unknown" in run.stdout


@pytest.mark.parametrize(("over", "period"), [("day", "in 24 hours"), ("week", "in 7 days"), ("month", "in 30 days")])
def test_what_moved_a_score_is_told(api: ApiProcess, tmp_path: Path, over: str, period: str) -> None:
    run = explain(api, tmp_path, "anna/1", "--at", AT, "--change", over)

    lines = run.stdout.splitlines()
    assert (run.returncode, run.stderr) == (0, "")
    assert lines[0] == "customer:anna/1"
    assert any(period in line for line in lines)
    assert "carrier/inpost" in run.stdout
    body = httpx.get(
        f"{api.url}/v1/customers/customer:anna%2F1", params={"at": AT}, headers={"Authorization": f"Bearer {KEY}"}
    ).json()
    assert lines[-1].startswith("50.0 ")
    assert lines[-1].endswith(f" = {body['score']:.1f}")


@pytest.mark.parametrize(
    ("arguments", "key", "said"),
    [
        (("nobody",), KEY, "no customer has this identity"),
        (("email:nothing",), KEY, "must be an e-mail address"),
        (("anna/1", "--at", "yesterday"), KEY, "RFC 3339"),
        (("nobody", "--change", "week"), KEY, "no customer has this identity"),
        (("anna/1", "--lang", "de"), KEY, "use one of en, pl"),
        (("anna/1",), "wrong", "TACTUS_READ_KEY"),
        (("anna/1", "--data", "elsewhere"), KEY, "tactus up --data elsewhere"),
    ],
)
def test_what_cannot_be_explained_is_said_in_one_line_with_what_to_do(
    api: ApiProcess, tmp_path: Path, arguments: tuple[str, ...], key: str, said: str
) -> None:
    run = explain(api, tmp_path, *arguments, key=key)

    assert (run.returncode, run.stdout) == (1, "")
    assert said in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_a_stack_that_is_gone_is_said_so(api: ApiProcess, tmp_path: Path) -> None:
    api.stop()

    run = explain(api, tmp_path, "anna/1")

    assert run.returncode == 1
    assert "tactus up" in run.stderr
