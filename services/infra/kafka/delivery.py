"""Records on their way into the log, and what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, NamedTuple

RECORD_OVERHEAD_BYTES: Final = 256
"""Python's objects around a buffered record: futures, header tuples, metadata."""

BATCH_FRAME_BYTES: Final = 100
"""What stands at most around the only record of a batch: 61 bytes of the batch, and the varints of the record."""

HEADER_FRAME_BYTES: Final = 10
"""The two varints of a header."""


class LogRecord(NamedTuple):
    """One record to append; without a key any partition may take it."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def size(self) -> int:
        """Bytes it holds in memory until it is acknowledged."""
        return len(self.value) + len(self.key or b"") + RECORD_OVERHEAD_BYTES

    @property
    def batch_bytes(self) -> int:
        """Bytes, at most, of a batch that holds nothing else: what a topic's limit is compared with."""
        headers = sum(len(name.encode()) + len(value) + HEADER_FRAME_BYTES for name, value in self.headers)
        return BATCH_FRAME_BYTES + len(self.key or b"") + len(self.value) + headers


class Delivery:
    """Counts the acknowledgements of some records, also those that come after their sender has left."""

    def __init__(self, positions: Iterable[int], *, release: Callable[[], None]) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.failed: dict[int, BaseException] = {}
        self._waiting = set(positions)
        self._release = release

    def await_answer(self, position: int, acknowledgement: asyncio.Future[object]) -> None:
        """Take the log's answer for the record at a position when it comes."""
        acknowledgement.add_done_callback(partial(self._answered, position))

    def never_sent(self, positions: Iterable[int], error: BaseException) -> None:
        """Note records for which no answer will come."""
        for position in positions:
            self.failed[position] = error
            self._done(position)

    def _answered(self, position: int, acknowledgement: asyncio.Future[object]) -> None:
        if not acknowledgement.cancelled():
            error = acknowledgement.exception()
            if error is not None:
                self.failed[position] = error
        self._done(position)

    def _done(self, position: int) -> None:
        self._waiting.discard(position)
        if not self._waiting:
            self._release()
            if not self.finished.done():
                self.finished.set_result(None)
