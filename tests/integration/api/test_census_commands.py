"""`tactus drivers` and `tactus journey` against the read API as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from services.infra.catalogue.reading import load_catalogue
from services.state.roles import READER
from tests.support.apiprocess import ApiProcess, api_process
from tests.support.censuses import take_census
from tests.support.customers import Lived, store_person
from tests.support.databases import as_role
from tests.support.readapi import KEY, T
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

EVENTS = [
    Lived("customer:anna", "delivery.damaged", T, -0.9, channel="delivery", place="carrier/north"),
    Lived("customer:anna", "delivery.damaged", T - timedelta(days=40), -0.9, channel="delivery", place="carrier/north"),
    Lived("customer:anna", "survey.csat", T, 0.5, channel="survey"),
    *[Lived("customer:anna", "call.answered", T, -0.1, channel=f"line-{number}") for number in range(6)],
]


@pytest.fixture
async def api(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[ApiProcess]:
    await store_person(postgres_dsn, EVENTS, customer="customer:anna", version=1)
    await take_census(postgres_dsn, load_catalogue(), at=T)
    with api_process(as_role(postgres_dsn, READER), tmp_path) as process:
        wait_until(lambda: httpx.get(f"{process.url}/readyz").status_code == 200, what="it is ready")
        yield process


def tactus(api: ApiProcess, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from services.cli import main; main()", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "TACTUS_READ_KEY": KEY,
            "TACTUS_API__PORT": str(api.port),
            "PYTHONIOENCODING": "utf-8",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_drivers_are_told_with_what_they_lost_and_their_trend(api: ApiProcess, tmp_path: Path) -> None:
    run = tactus(api, tmp_path, "drivers")

    lines = run.stdout.splitlines()
    assert (run.returncode, run.stderr) == (0, "")
    assert lines[0] == "everyone"
    assert "1 person read" in lines[1]
    assert lines[2].startswith("1 customer lost ")
    [quality] = [line.split() for line in lines if line.rstrip().endswith("  Quality")]
    body = httpx.get(f"{api.url}/v1/drivers", headers={"Authorization": f"Bearer {KEY}"}).json()
    [told] = [one for one in body["drivers"] if one["driver"] == "quality"]
    assert quality[0] == f"{told['period']['points_lost']:.1f}"
    assert "Parcel damaged" in run.stdout


def test_the_journey_is_a_map_of_stages_and_channels(api: ApiProcess, tmp_path: Path) -> None:
    run = tactus(api, tmp_path, "journey")

    lines = run.stdout.splitlines()
    assert (run.returncode, run.stderr) == (0, "")
    [heading] = [line for line in lines if line.startswith("stage")]
    assert heading.split() == ["stage", "delivery", *[f"line-{number}" for number in range(5)], "others"]
    assert [line.split()[0] for line in lines[lines.index(heading) + 1 :] if line[0].isalpha()] == [
        "Fulfilment",
        "Support",
    ]


def test_sums_are_told_in_polish_of_one_place(api: ApiProcess, tmp_path: Path) -> None:
    runs = [
        tactus(api, tmp_path, command, "--place", "carrier/north", "--lang", "pl") for command in ("drivers", "journey")
    ]

    for run in runs:
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.startswith("carrier/north\n")
        assert "odczytano 1 osobę" in run.stdout
        assert "1 klient stracił " in run.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("drivers", "--place", "store/404"), "nobody was touched there"),
        (("journey", "--place", "nowhere"), "must be kind/value"),
        (("drivers", "--lang", "de"), "use one of en, pl"),
    ],
)
def test_what_cannot_be_told_is_one_line(
    api: ApiProcess, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    run = tactus(api, tmp_path, *arguments)

    assert (run.returncode, run.stdout) == (1, "")
    assert said in run.stderr
    assert run.stderr.count("\n") == 1
