"""How much slower a process runs than on cores of its own: what other programs do is nobody's delay."""

from __future__ import annotations

import os
import time
from pathlib import Path


class Slowness:
    """Of a process's main thread, from now on; Linux counts how long it ran and how long it waited for a core."""

    def __init__(self, pid: int) -> None:
        self._file = Path(f"/proc/{pid}/schedstat")
        self._ran, self._waited = self._read()

    def factor(self) -> float:
        """Tell how many times longer everything took; 1 on an idle machine, and where nobody counts."""
        ran, waited = self._read()
        return 1 + (waited - self._waited) / max(1, ran - self._ran)

    def waited_s(self) -> float:
        """Tell how long it stood in line for a core; 0 where nobody counts."""
        return (self._read()[1] - self._waited) / 1e9

    def _read(self) -> tuple[int, int]:
        try:
            ran, waited, _ = self._file.read_text().split()
        except FileNotFoundError:
            return 0, 0
        return int(ran), int(waited)


class Stopwatch:
    """Runs from now on, and stands while this process or one of these stands in line for a core."""

    def __init__(self, *pids: int) -> None:
        self._started = time.monotonic()
        self._lines = [Slowness(pid) for pid in (os.getpid(), *pids)]

    def seconds(self) -> float:
        """Tell what it shows."""
        return time.monotonic() - self._started - sum(line.waited_s() for line in self._lines)
