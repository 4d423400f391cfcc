"""The driver's memory of what it sent and what it was told, on disk before anything depends on it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Ledger:
    """Append-only lines of JSON; `note` returns after fsync."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def note(self, lines: Iterable[dict[str, Any]]) -> None:
        """Write lines and wait until the disk has them."""
        self._file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_ledger(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole line; a torn last line is one that nobody relied on."""
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield json.loads(line)
