"""Give way to others: whoever computes for long does it in slices, and the loop runs between two."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

SLICE_S: Final = 0.005
"""How long the loop may be kept from others; the worst single event takes about as long again. Giving way costs some
microseconds, so that a shorter slice would gain nothing that a network does not lose."""


class Slices:
    """The work of one request, cut into slices."""

    def __init__(self) -> None:
        self._since = perf_counter()

    async def breathe(self) -> None:
        """Let others run if this slice is over."""
        if perf_counter() - self._since > SLICE_S:
            await asyncio.sleep(0)
            self._since = perf_counter()

    def begin(self) -> None:
        """Begin a slice after a wait."""
        self._since = perf_counter()
