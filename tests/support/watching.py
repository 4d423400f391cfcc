"""`tactus sources watch` as somebody has it running in another terminal."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import PATIENCE_S, wait_until


class Watching:
    """A running watch, and what it has said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Read along, so that its pipe never fills."""
        self._process = process
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def said(self) -> str:
        """Return everything so far."""
        return "".join(self._lines)

    def sees(self, pattern: str) -> str:
        """Wait for a line that holds the pattern; fails with what was said when the watch ends instead."""

        def found() -> str | None:
            lines = [line for line in self._lines if re.search(pattern, line)]
            assert lines or self._process.poll() is None, self.said()
            return lines[0] if lines else None

        try:
            return wait_until(found, what=f"the watch has said {pattern!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it said:\n{self.said()}") from None

    def interrupt(self) -> int:
        """Press Ctrl-C; the exit code."""
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)


@contextmanager
def watching(data: Path, *names: str) -> Iterator[Watching]:
    """Watch the sources of a stack; ended after the block, whatever happens."""
    tactus = Path(sys.executable).with_name("tactus")
    command = (str(tactus), "sources", "watch", *names, "--data", str(data))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield Watching(process)
        finally:
            process.kill()
