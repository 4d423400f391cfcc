"""The read API as the process that operators run."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.readapi import HASH_KEY, KEY
from tests.support.waiting import wait_until

HOOK = """
[[source]]
name = "web-shop"
kind = "server"
keys_sha256 = []
hook = {provider = "shopify", secret_files = ["nowhere"]}
"""


@dataclass(frozen=True)
class ApiProcess:
    """A running process and the ports it listens on."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int
    metrics_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def operations_url(self) -> str:
        return f"http://127.0.0.1:{self.metrics_port}"

    def lines(self) -> list[dict[str, object]]:
        """Return what it has logged."""
        return _lines(self.log)

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


SCOPES = ["scores:read", "alerts:write", "dead-letters:read", "dead-letters:write", "webhooks"]


def write_sources(path: Path, key: str = KEY) -> None:
    """Write a sources file with one reader, who may everything, and a hook whose secret is none of the API's business."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    reader = f'[[reader]]\nname = "crm"\nkeys_sha256 = ["{digest}"]\nscopes = {SCOPES}\n'
    path.write_text(reader + HOOK)


@contextmanager
def api_process(dsn: str, folder: Path) -> Iterator[ApiProcess]:
    """Start the process on free ports, and end it."""
    sources = folder / "sources.toml"
    write_sources(sources)
    log = folder / "api.log"
    environment = {
        "PATH": os.environ["PATH"],
        "TACTUS_POSTGRES__DSN": dsn,
        "TACTUS_SOURCES": str(sources),
        "TACTUS_HASH_KEY": HASH_KEY.decode(),
        "TACTUS_API__PORT": "0",
        "TACTUS_API__METRICS_PORT": "0",
    }
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, "-m", "services.api"], stderr=stream, env=environment)
    try:
        ports = [_announced_port(log, event, process) for event in ("api_listening", "operations_listening")]
        yield ApiProcess(process, log, *ports)
    finally:
        process.kill()
        process.wait(10)


def _announced_port(log: Path, event: str, process: subprocess.Popen[bytes]) -> int:
    def port() -> int | None:
        assert process.poll() is None, log.read_text()
        return next((int(str(line["port"])) for line in _lines(log) if line["event"] == event), None)

    return wait_until(port, what=f"the API says {event}")


def _lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
