"""Bound the work under way by what it is estimated to cost, so that more callers never mean less work done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from schemas.limits import BODY_BYTES_MAX, EVENTS_MAX, INFLATED_BYTES_MAX
from services.ingest.admission import FullError, Gate, Ticket
from services.ingest.limits import Budget

WORK_US_MAX: Final = 400_000
"""Work that has begun and is not answered. More would only wait for the loop while its deadlines run; less would leave
the loop idle while the log acknowledges."""

LINE_US_MAX: Final = 2_000_000
"""Work that waits: a sender gives up after some seconds, so a longer line would be work for nobody."""

REQUEST_US: Final = 200
EVENT_US: Final = 60
BYTE_US: Final = 0.03
LETTER_BYTE_US: Final = 0.13
"""Measured on one core of 2.x GHz: a request, its events up to the acknowledgement, bytes read, bytes masked. Only the
relation of these to each other matters: on a slower core everything takes longer, in the same order."""

LARGE_BYTES: Final = 64 * 1024
"""What a page sends at once at most. A larger body waits for its place in memory before it is read, and for its turn
on the core; a smaller one waits for neither."""

EVENT_BYTES_MIN: Final = 130
"""The smallest good event: a body holds at most one for so many bytes."""

INFLATES: Final = 10
"""What JSON of events usually inflates to, before it is known."""

BODIES_PART: Final = 3 / 4
"""Of the memory for bodies; the rest is always there for small ones."""

BODIES_LINE: Final = 8
"""Bodies in line for memory, in multiples of it: they are not read yet and hold only a connection."""

BODIES_WAIT_S: Final = 10.0
"""Clients usually give up after 10 to 30 s."""


class Overload:
    """What the process bears at once; one for all requests."""

    def __init__(self, *, in_flight_bytes_max: int, wait_s: float) -> None:
        self.budget = Budget(in_flight_bytes_max)
        bodies = int(in_flight_bytes_max * BODIES_PART)
        self._bodies = Gate(inside_max=bodies, waiting_max=bodies * BODIES_LINE, wait_s=BODIES_WAIT_S)
        self._work = Gate(inside_max=WORK_US_MAX, waiting_max=LINE_US_MAX, wait_s=wait_s)
        self._core = asyncio.Lock()

    def expect_place(self, key: str) -> None:
        """Raise FullError if there would be no place for a request, before anything of it is read."""
        if self._work.is_full(key, REQUEST_US):
            raise FullError

    @asynccontextmanager
    async def body(self, key: str, announced: str | None) -> AsyncIterator[None]:
        """Wait until there is memory for a body, if it is a large one; raises FullError."""
        size = min(int(announced), BODY_BYTES_MAX) if announced and announced.isdigit() else BODY_BYTES_MAX
        if size <= LARGE_BYTES:
            yield
            return
        async with self._bodies.inside(key, size):
            yield

    @asynccontextmanager
    async def work(self, key: str, size: int, *, packed: bool) -> AsyncIterator[Ticket]:
        """Wait until a body of so many bytes may be worked on; raises FullError."""
        size = unpacked_bytes(size, packed=packed)
        events = min(EVENTS_MAX, 1 + size // EVENT_BYTES_MIN)
        async with self._work.inside(key, REQUEST_US + cost_us(events, size)) as ticket:
            yield ticket

    @asynccontextmanager
    async def core(self, size: int) -> AsyncIterator[None]:
        """Hold the core, in slices, while a large body is worked on: small ones then wait for one slice, not for many."""
        if size <= LARGE_BYTES:
            yield
            return
        async with self._core:
            yield


def unpacked_bytes(size: int, *, packed: bool) -> int:
    """Estimate the size of a body before it is unpacked."""
    return min(size * INFLATES, INFLATED_BYTES_MAX) if packed else size


def cost_us(events: int, size: int, *, letters_size: int = 0) -> int:
    """Estimate what a request takes of a core."""
    return round(EVENT_US * events + BYTE_US * size + LETTER_BYTE_US * letters_size)
