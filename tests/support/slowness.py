"""How much slower a process runs than on cores of its own: what other programs do is nobody's delay."""

from __future__ import annotations

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

    def _read(self) -> tuple[int, int]:
        try:
            ran, waited, _ = self._file.read_text().split()
        except FileNotFoundError:
            return 0, 0
        return int(ran), int(waited)
