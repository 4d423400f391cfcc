"""A real `tactus up --data DIR` as a child process of the tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from services.client.connection import Connection, find_connection
from services.infra.errors import ConfigurationError
from tests.support.places import data_directory
from tests.support.waiting import wait_until

START_S = 120.0
"""A start takes 5 s on two idle cores."""

STOP_S = 60.0
"""A stop takes 2 s, and once 6 more for Kafka's start-up cache."""


class RunningStack:
    """`tactus up` and what it has published."""

    def __init__(
        self, data: Path, *, workers: int = 1, environment: Mapping[str, str] | None = None, named: bool = True
    ) -> None:
        self.data = data
        self.output = data / "up.log"
        tactus = Path(sys.executable).with_name("tactus")
        option = ("--data", str(data)) if named else ()
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                (str(tactus), "up", *option, "--workers", str(workers)),
                cwd=data,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**_clean(), **(environment or {})},
                start_new_session=True,
            )

    @property
    def folder(self) -> Path:
        """The stack's own directory, named or usual."""
        return self.data if self.data.joinpath("up.lock").exists() else self.data / ".tactus"

    @property
    def connection(self) -> Connection:
        return find_connection(self.folder)

    def wait_ready(self) -> Connection:
        """Return the connection once it is published; fails with the output when `up` ends instead."""

        def published() -> Connection | None:
            assert self.process.poll() is None, self.said()
            with contextlib.suppress(ConfigurationError, psutil.NoSuchProcess):
                found = self.connection
                # A killed `up` leaves its file behind: only ours names children of ours.
                ours = psutil.Process(found.pids["kafka"][0]).ppid() == self.process.pid
                return found if ours else None
            return None

        return wait_until(published, what=f"the stack is up; it said:\n{self.said()}", timeout_s=START_S)

    def said(self) -> str:
        """Return everything that `up` has printed."""
        return self.output.read_text(errors="replace")

    def processes(self) -> list[psutil.Process]:
        """Return all descendants of `up`."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """End `up` in order and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        return self.process.wait(STOP_S)

    def kill(self) -> None:
        """End `up` like a crash."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running_stack(*, workers: int = 1, environment: Mapping[str, str] | None = None) -> Iterator[RunningStack]:
    """Run a stack that is ready, in a folder of its own; everything is gone afterwards."""
    with data_directory() as data:
        stack = RunningStack(data, workers=workers, environment=environment)
        try:
            stack.wait_ready()
            yield stack
        finally:
            stack.stop()


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run; what only waits to be reaped by its parent does not."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def processes_in(folder: Path) -> list[psutil.Process]:
    """Return all that run in this folder or were told of it, whoever their parent is by now."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            told = (process.cwd(), *process.cmdline(), *process.environ().values())
            if any(str(folder) in text for text in told):
                found.append(process)
    return alive(found)


def ports_of(connection: Connection) -> list[int]:
    """Return every port that the stack has told of."""
    addresses = [connection.ingest, connection.api, connection.postgres, f"tcp://{connection.kafka}"]
    addresses += [url for urls in connection.metrics.values() for url in urls]
    return [port for address in addresses if (port := urlsplit(address).port)]


def listens(port: int) -> bool:
    """Say whether anybody accepts connections on this port."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TACTUS_")}
