"""`tactus demo`: an outage, a recovery, counts that add up, and nothing left behind."""

from __future__ import annotations

import random
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.demos import RunningDemo, counts_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

REACHED = re.compile(r"The (outage|recovery) reached (\d+) customers: ([+-][\d.]+) points on average")


def test_a_demo_of_twenty_seconds_tells_its_story_and_its_counts_add_up(folder: Path) -> None:
    demo = RunningDemo(folder, "--seconds", "20", "--customers", "30", "--rate", "20")
    try:
        code = demo.wait_end()
    finally:
        demo.kill()

    said = demo.said()
    counts = counts_of(said.splitlines()[-1])
    told = {kind: (int(customers), float(points)) for kind, customers, points in REACHED.findall(said)}
    assert code == 0, said
    assert counts["accepted"] == counts["in log"] > 600
    assert counts["in log"] == sum(counts[name] for name in ("applied", "duplicate", "conflict", "dead", "erased"))
    assert min(counts["duplicate"], counts["conflict"]) >= 1
    assert counts["lost"] == 0
    assert told["outage"][0] >= 5
    assert told["outage"][1] < -8
    assert told["recovery"][0] >= 5
    assert told["recovery"][1] > 4
    assert re.search(r"First score after [\d.]+ s", said)
    assert re.search(r"Rejected at the door, each with its reason: [1-9]\d* of \d+ sent", said)
    assert re.search(r"Open http://127\.0\.0\.1:\d+", said)
    assert len(demo.ports) >= 7
    assert demo.left() == []


def test_a_demo_s_data_and_its_picture_stay_when_wanted(folder: Path) -> None:
    picture = folder / "demo.svg"
    demo = RunningDemo(folder, "--seconds", "15", "--keep", "--picture", str(picture))
    try:
        code = demo.wait_end()
    finally:
        demo.kill()

    said = demo.said()
    [kept] = re.findall(r"The data is kept in (\S+)\. It goes on with", said)
    assert code == 0, said
    assert re.search(r"^50\.0( [+−] [\d.]+)+ = [\d.]+$", said, re.MULTILINE)
    assert f"up --data {kept}" in said
    assert (Path(kept) / "keys.json").exists()
    assert [kept] == demo.left()
    drawn = picture.read_text(encoding="utf-8")
    assert all(word in drawn for word in ("outage", "points", "accepted", "lost&#160;0"))
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "").replace(
        "https://www.textualize.io", ""
    ).replace("http://127.0.0.1", "")


def answered(command: str) -> str | None:
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else None


def test_a_demo_can_be_asked_while_it_runs_and_ctrl_c_ends_it_with_the_counts_and_leaves_nothing(folder: Path) -> None:
    demo = RunningDemo(folder, "--customers", "30")
    try:
        demo.wait_for("First score after")
        [command] = re.findall(r"Ask beside it: (.*)", demo.said())
        asked = wait_until(lambda: answered(command), what=f"{command} has an answer")
        moves = random.randint(1, 25)
        lines = len(demo.said().splitlines())
        wait_until(lambda: len(demo.said().splitlines()) >= lines + moves, what="scores move")
        demo.interrupt()
        code = demo.wait_end()
    finally:
        demo.kill()

    counts = counts_of(demo.said().splitlines()[-1])
    assert code == 130, demo.said()
    assert re.search(r"^Score [\d.]+ [a-z]+, give or take", asked, re.MULTILINE)
    assert counts["lost"] == 0
    assert counts["accepted"] == counts["in log"] > 0
    assert demo.left() == []


def test_services_that_are_killed_during_the_show_lose_and_double_nothing(folder: Path) -> None:
    demo = RunningDemo(folder, "--seconds", "25", "--customers", "30")
    try:
        demo.wait_for("First score after")
        for service in ("ingest", "aggregator", "api", "ingest"):
            demo.kill_service(service)
            demo.wait_for_change()
        code = demo.wait_end()
    finally:
        demo.kill()

    counts = counts_of(demo.said().splitlines()[-1])
    assert code == 0, demo.said()
    assert demo.said().count("starting it again") >= 4
    assert counts["lost"] == 0
    assert demo.left() == []


@pytest.mark.parametrize("moment", ["Starting Postgres", "Starting the services"])
def test_ctrl_c_during_the_start_leaves_nothing(folder: Path, moment: str) -> None:
    demo = RunningDemo(folder)
    try:
        demo.wait_for(moment)
        demo.interrupt()
        code = demo.wait_end()
    finally:
        demo.kill()

    assert code == 130, demo.said()
    assert demo.left() == []


def test_two_ctrl_c_end_it_at_once_and_leave_no_process(folder: Path) -> None:
    demo = RunningDemo(folder, "--customers", "30")
    try:
        demo.wait_for("First score after")
        demo.interrupt()
        demo.interrupt()
        code = demo.wait_end()
    finally:
        demo.kill()

    assert code in {1, 130}, demo.said()
    assert demo.left() == []
