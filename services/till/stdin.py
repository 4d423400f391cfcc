"""Take lines from standard input as they come."""

from __future__ import annotations

import os
import select
from typing import Callable, Final

from services.till.limits import CHUNK_BYTES, LINE_BYTES_MAX
from services.till.lines import Line, Reading, Unfit, cut_off, is_whole, read_line, too_long
from services.till.store import Store

WAIT_S: Final = 0.2
"""How long it is waited for input before it is looked whether the agent shall end."""


class Stdin:
    """Standard input: what was read is in the store before more is read."""

    def __init__(
        self,
        descriptor: int,
        store: Store,
        *,
        reading: Callable[[], Reading],
        wall_s: Callable[[], float],
        kept: Callable[[int], None],
    ) -> None:
        self._descriptor = descriptor
        self._store = store
        self._reading = reading
        self._wall_s = wall_s
        self._kept = kept
        self._begun = b""
        self._skipping = False
        self._read: list[Line | Unfit] = []
        self._lines = 0
        self._kept_lines = 0

    def take(self) -> bool:
        """Take what is there, or come back after a moment; tell whether more may come.

        After StoreFullError what was read is kept in memory, and taken first the next time.
        """
        self._keep()
        if not _is_ready(self._descriptor):
            return True
        chunk = os.read(self._descriptor, CHUNK_BYTES)
        *ended, self._begun = (self._begun + chunk).split(b"\n")
        for line in ended:
            self._end(line)
        if len(self._begun) > LINE_BYTES_MAX:
            # What is too long is told once, and the rest of it passed over.
            if not self._skipping:
                self._read.append(too_long(self._begun))
            self._skipping, self._begun = True, b""
        self._keep()
        return bool(chunk)

    def end(self) -> None:
        """Keep what no newline has ended."""
        rest, self._begun = self._begun.strip(), b""
        if rest and not self._skipping:
            self._read.append(read_line(rest, self._reading()) if is_whole(rest) else cut_off(rest))
        self._keep()

    def _end(self, line: bytes) -> None:
        self._lines += 1
        text = line.strip()
        if text and not self._skipping:
            self._read.append(read_line(text, self._reading()))
        self._skipping = False

    def _keep(self) -> None:
        if self._read:
            self._store.take(self._read, origin="standard input", now=self._wall_s())
            self._read = []
        if self._lines > self._kept_lines:
            self._kept_lines = self._lines
            self._kept(self._lines)


def _is_ready(descriptor: int) -> bool:
    """Wait a moment for input; where that cannot be asked (Windows), reading waits for itself."""
    try:
        return bool(select.select([descriptor], [], [], WAIT_S)[0])
    except (OSError, ValueError):
        return True
