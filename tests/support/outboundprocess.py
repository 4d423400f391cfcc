"""The outbound process as operators run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.waiting import wait_until


class OutboundProcess:
    """A process on free ports, running until it is told to stop or killed."""

    def __init__(self, bootstrap: str, dsn: str, log: Path, *, settings: Mapping[str, str] | None = None) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "TACTUS_KAFKA__BOOTSTRAP": bootstrap,
            "TACTUS_POSTGRES__DSN": dsn,
            "TACTUS_OUTBOUND__METRICS_PORT": "0",
            **(settings or {}),
        }
        self.log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.outbound"], stderr=stream, stdout=stream, env=environment
            )

    def wait_started(self) -> None:
        """Return when it follows its feeds."""

        def started() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return "outbound_started" in self.log.read_text()

        wait_until(started, what="outbound has started")

    def freeze(self) -> None:
        """Let it do nothing until `thaw`."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it like a crash, wherever it is."""
        self.process.kill()
        self.process.wait(10)
