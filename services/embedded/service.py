"""Run one of our own services as a child process."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final

from services.embedded.processes import Program, finish, kill_group, spawn
from services.infra.errors import UnavailableError

STOP_S: Final = 30.0
"""A worker gives itself 20 s to settle its chunks and leave its group; ingest waits 5 s for acknowledgements."""

ANSWER_S: Final = 2.0
"""A readiness question is answered from memory."""


@dataclass(kw_only=True)
class Service:
    """`python -m services.<name>` with its settings; `doors` are the (host, port) where it must say that it is ready."""

    name: str
    module: str
    log: Path
    environment: Mapping[str, str]
    doors: tuple[tuple[str, int], ...]
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def command(self) -> tuple[str, ...]:
        return (sys.executable, "-m", self.module)

    def prepare(self) -> None:
        """Nothing is needed before a launch."""

    def launch(self) -> None:
        """Start it. Call from a thread that outlives it (see processes.spawn)."""
        # SIGKILL when `up` is gone: whatever a service was doing, it is safe to repeat.
        self._process = spawn(Program(self.command, self.environment), log=self.log, death=signal.SIGKILL)

    def is_ready(self) -> bool:
        """Say whether every door answers /readyz with 200 at this moment."""
        return all(_says_ready(host, port) for host, port in self.doors)

    def poll(self) -> int | None:
        """Return the exit code when it has ended, else None."""
        return self._running().poll()

    def stop(self) -> None:
        """SIGTERM, wait, then SIGKILL."""
        if self._process is not None:
            finish(self._process, first=signal.SIGTERM, patience_s=STOP_S)
            self._process = None

    def kill(self) -> None:
        """End like a crash."""
        if self._process is not None:
            kill_group(self._process)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise UnavailableError(f"{self.name} has not been launched")
        return self._process


def _says_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
