"""What of one partition is out for work and what came back. Pure bookkeeping, no Faust and no Kafka."""

from __future__ import annotations

from collections import deque
from typing import Final

OUT_MAX: Final = 2
"""Chunks of one partition outside the log at once: one in the database, one ready to follow it."""


class Chain:
    """The unbroken row of chunks handed out since a partition was owned.

    A chain belongs to one ownership: when its partition is lost or sought again it is closed and another
    begins, so whatever still comes of the old one is told apart by identity.
    """

    __slots__ = ("_back", "_out", "done", "next", "open")

    def __init__(self, start: int) -> None:
        self.next = start
        """Where the next chunk begins."""
        self.done = start
        """Every record before this offset is stored: the only offset that may be committed."""
        self.open = True
        """Whether it hands out and takes up more."""
        self._out: deque[int] = deque()
        self._back: set[int] = set()

    @property
    def out(self) -> int:
        """How many chunks are out, from the oldest that has not come back."""
        return len(self._out)

    @property
    def has_room(self) -> bool:
        return self.open and len(self._out) < OUT_MAX

    def hand_out(self, *, last: int) -> int:
        """Lengthen the chain by a chunk that ends with the record at `last`; tells where the chunk begins."""
        first, self.next = self.next, last + 1
        self._out.append(self.next)
        return first

    def take_back(self, *, last: int) -> None:
        """Note that the chunk ending with `last` is stored; `done` passes it once all before it are."""
        self._back.add(last + 1)
        while self._out and self._out[0] in self._back:
            self.done = self._out.popleft()
            self._back.discard(self.done)
