"""A real `tactus demo` as a child process of the tests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from services.client.connection import Connection, find_connection
from services.infra.errors import ConfigurationError
from tests.support.stacks import listens, ports_of
from tests.support.waiting import wait_until

COUNTS = re.compile(
    r"accepted (\d+), in log (\d+), applied (\d+), duplicate (\d+), conflict (\d+), "
    r"dead-lettered (\d+), erased (\d+), lost (\d+)"
)

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

    @property
    def connection(self) -> Connection:
        """What it has published."""
        [connection] = self._connections()
        return connection

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
        before = self.connection.pids[name]
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


def counts_of(last_line: str) -> dict[str, int]:
    match = COUNTS.fullmatch(last_line)
    assert match, last_line
    names = ("accepted", "in log", "applied", "duplicate", "conflict", "dead", "erased", "lost")
    return dict(zip(names, map(int, match.groups()), strict=True))
