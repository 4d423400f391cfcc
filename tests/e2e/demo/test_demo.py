"""`tactus demo`: an outage, a recovery, counts that add up, and nothing left behind."""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from services.client.connection import Connection, find_connection
from services.infra.errors import ConfigurationError
from tests.support.places import data_directory
from tests.support.stacks import listens, ports_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

COUNTS = re.compile(
    r"accepted (\d+), in log (\d+), applied (\d+), duplicate (\d+), conflict (\d+), "
    r"dead-lettered (\d+), erased (\d+), lost (\d+)"
)
REACHED = re.compile(r"The (outage|recovery) reached (\d+) customers: ([+-][\d.]+) points on average")

START_S = 120.0
"""A start takes 5 s on two idle cores."""

END_S = 90.0
"""After its last event a demo settles within 30 s and stops within 30 more."""


class RunningDemo:
    """`tactus demo` as a child, in a folder of its own, and all processes that it ever had."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir(mode=0o711)
        self._output = folder / "demo.log"
        self._seen: dict[int, psutil.Process] = {}
        self.ports: set[int] = set()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TACTUS_")}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                (str(Path(sys.executable).with_name("tactus")), "demo", "--no-browser", *options),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**clean, "TMPDIR": str(self.temporary)},
                start_new_session=True,
            )

    def said(self) -> str:
        return self._output.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        def there() -> bool:
            self.look()
            assert text in self.said() or self.process.poll() is None, self.said()
            return text in self.said()

        wait_until(there, what=f"the demo says {text!r}; it said:\n{self.said()}", timeout_s=START_S)

    def look(self) -> None:
        """Remember its processes and its doors."""
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self._seen[child.pid] = child
        for found in self._connections():
            self.ports.update(ports_of(found))

    def interrupt(self) -> None:
        """Ctrl-C: the whole foreground group gets it."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill_service(self, name: str) -> None:
        """Kill -9, and wait until it has been started again."""
        (connection,) = self._connections()
        before = connection.pids[name]
        os.kill(before[0], signal.SIGKILL)

        def started_again() -> bool:
            self.look()
            return any(found.pids[name] != before for found in self._connections())

        wait_until(started_again, what=f"{name} is started again")

    def wait_for_change(self) -> None:
        """Wait until a score is shown that was not there before."""
        lines = len(self.said().splitlines())
        wait_until(lambda: len(self.said().splitlines()) > lines + 3, what="scores move again")

    def wait_end(self) -> int:
        def ended() -> bool:
            self.look()
            return self.process.poll() is not None

        wait_until(ended, what=f"the demo ends; it said:\n{self.said()}", timeout_s=START_S + END_S)
        return self.process.returncode

    def left(self) -> list[str]:
        """Everything of it that is still there."""
        processes = [f"process {child}" for child in self._seen.values() if runs(child)]
        sockets = [f"port {port}" for port in self.ports if listens(port)]
        files = [str(path) for path in self.temporary.iterdir()]
        return processes + sockets + files

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _connections(self) -> Iterator[Connection]:
        for folder in self.temporary.glob("tactus-demo-*"):
            with suppress(ConfigurationError):
                yield find_connection(folder)


def runs(child: psutil.Process) -> bool:
    """Whether it does; one that has ended and only waits for its new parent, init, to take note does not."""
    try:
        return child.is_running() and child.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def folder() -> Iterator[Path]:
    with data_directory() as made:
        yield made


def counts_of(last_line: str) -> dict[str, int]:
    match = COUNTS.fullmatch(last_line)
    assert match, last_line
    names = ("accepted", "in log", "applied", "duplicate", "conflict", "dead", "erased", "lost")
    return dict(zip(names, map(int, match.groups()), strict=True))


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
