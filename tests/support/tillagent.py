"""The till's agent as a till runs it: one file alone in a folder, by a Python that sees nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.commands.till import write
from tests.support.waiting import wait_until

PYTHON = os.environ.get("TILL_PYTHON", sys.executable)
"""Tills have older ones than we: name one to run all of this on it."""

ENDED_S = 120.0
"""On an idle machine an agent ends within a second."""


@dataclass(frozen=True)
class TillAgent:
    """An agent in a folder of its own: its file, its key, its store, and what the till writes."""

    home: Path
    url: str
    store: str = "042"
    till: str | None = "3"

    @property
    def journal(self) -> Path:
        return self.home / "journal"

    @classmethod
    def install(cls, home: Path, url: str, key: str, *, till: str | None) -> TillAgent:
        """Copy the one file to the till, and its key."""
        made = cls(home, url, till=till)
        made.journal.mkdir(parents=True)
        write(home / "tactus-till.pyz")
        made.give_key(key)
        return made

    def give_key(self, key: str) -> None:
        (self.home / "till.key").write_text(key + "\n")
        (self.home / "till.key").chmod(0o600)

    @contextmanager
    def running(
        self, *options: str, takes: str = "journal", environment: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run it for the length of the block, at whose end it is killed unless it has ended; what it says goes to its log."""
        till = [] if self.till is None else ["--till", self.till]
        key = ["--key-file", "till.key"] if environment is None else []
        command = [*self._command("run"), takes, "--url", self.url, "--store", self.store, *till, *key, *options]
        with (self.home / "log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.home,
                env={"PATH": os.environ["PATH"], **(environment or {})},
                stdin=subprocess.PIPE if takes == "-" else subprocess.DEVNULL,
                stdout=subprocess.PIPE if takes == "-" else log,
                stderr=log,
            )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def once(self, *options: str) -> int:
        """Run it until all is sent, or cannot be; return its exit code."""
        with self.running("--once", *options) as process:
            return process.wait(ENDED_S)

    def status(self) -> dict[str, Any]:
        """Ask it once it has made its store."""
        wait_until((self.home / "tactus-till" / "till.db").exists, what="the agent has a store")
        told: dict[str, Any] = wait_until(self._status, what="the agent's status can be read")
        return told

    def _status(self) -> dict[str, Any] | None:
        done = subprocess.run(
            self._command("status", "--json"), cwd=self.home, capture_output=True, timeout=ENDED_S, check=False
        )
        return json.loads(done.stdout) if done.returncode == 0 else None

    def aside(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.says("aside", "--json").splitlines()]

    def says(self, *arguments: str) -> str:
        done = subprocess.run(
            self._command(*arguments), cwd=self.home, capture_output=True, text=True, timeout=ENDED_S, check=True
        )
        return done.stdout

    def log(self) -> str:
        return (self.home / "log").read_text()

    def wait_for(self, *words: str) -> None:
        """Wait until the log says something of this."""
        wait_until(lambda: any(one in self.log() for one in words), what=f"the agent says {words}")

    def wait_sent(self, lines: int) -> None:
        def sent() -> bool:
            told = self.status()
            return told["sent"] >= lines and not told["waiting"]

        wait_until(sent, what=f"{lines} lines are sent")

    def _command(self, *arguments: str) -> list[str]:
        return [PYTHON, "-I", "tactus-till.pyz", *arguments]
