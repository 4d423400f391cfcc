"""The ingest door as the process that operators run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.senders import HASH_KEY, SERVER_KEY, write_sources
from tests.support.waiting import wait_until

program: tuple[str, ...] = ("-m", "services.ingest")
"""What runs; to show that a test would notice, a mutant."""


@dataclass(frozen=True)
class IngestProcess:
    """A running process and the ports it listens on."""

    process: subprocess.Popen[bytes]
    log: Path
    sources: Path
    port: int
    metrics_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, body: object, *, key: str = SERVER_KEY, timeout_s: float = 20.0) -> httpx.Response:
        """Post events on a connection of its own."""
        return httpx.post(
            f"{self.url}/v1/events", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=timeout_s
        )

    def status(self, path: str, *, operations: bool = False) -> int:
        """Ask a health address."""
        port = self.metrics_port if operations else self.port
        return httpx.get(f"http://127.0.0.1:{port}{path}").status_code

    def metric(self, line: str) -> float:
        """Return the value of a metric by its name and labels as they are written; 0 when it is not there."""
        shown = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics").text
        found = (one.rpartition(" ") for one in shown.splitlines())
        return next((float(value) for name, _, value in found if name == line), 0.0)

    def wait_ready(self) -> None:
        wait_until(lambda: self.status("/readyz") == 200, what="ingest is ready")

    def logged(self, event: str) -> list[dict[str, object]]:
        """Return the lines of one event."""
        return [line for line in _lines(self.log) if line["event"] == event]

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def ingest_process(
    bootstrap: str, folder: Path, *, settings: Mapping[str, str] | None = None
) -> Iterator[IngestProcess]:
    """Start the process on free ports, not yet ready, and end it."""
    sources = folder / "sources.toml"
    write_sources(sources)
    log = folder / "ingest.log"
    environment = {
        "PATH": os.environ["PATH"],
        "TACTUS_KAFKA__BOOTSTRAP": bootstrap,
        "TACTUS_SOURCES": str(sources),
        "TACTUS_HASH_KEY": HASH_KEY,
        "TACTUS_INGEST__PORT": "0",
        "TACTUS_INGEST__METRICS_PORT": "0",
        **(settings or {}),
    }
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, *program], stderr=stream, env=environment)
    try:
        port = _announced_port(log, "ingest_listening", process)
        metrics_port = _announced_port(log, "operations_listening", process)
        yield IngestProcess(process, log, sources, port, metrics_port)
    finally:
        process.kill()
        process.wait(10)


def _announced_port(log: Path, event: str, process: subprocess.Popen[bytes]) -> int:
    def port() -> int | None:
        assert process.poll() is None, log.read_text()
        return next((int(str(line["port"])) for line in _lines(log) if line["event"] == event), None)

    return wait_until(port, what=f"ingest says {event}")


def _lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
