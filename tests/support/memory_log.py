"""A log in memory that keeps the rules of the real one."""

from __future__ import annotations

from collections.abc import Sequence

from services.infra.errors import UnavailableError
from services.infra.kafka import LogRecord


class MemoryLog:
    """Holds what was appended; can be away."""

    def __init__(self, *, buffer_bytes_max: int = 1024 * 1024) -> None:
        self.records: list[LogRecord] = []
        self._buffer_bytes_max = buffer_bytes_max
        self._away = False

    async def append(self, records: Sequence[LogRecord]) -> None:
        if self._away:
            raise UnavailableError("the log is away")
        if sum(record.size for record in records) > self._buffer_bytes_max:
            raise UnavailableError("too much waits for the log")
        self.records += records

    def unready(self) -> str | None:
        return "the log is away" if self._away else None

    def leave(self) -> None:
        self._away = True

    def come_back(self) -> None:
        self._away = False

    def of_topic(self, topic: str) -> list[LogRecord]:
        return [record for record in self.records if record.topic == topic]
