"""A log in memory that keeps the rules of the real one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from services.infra.errors import UnavailableError
from services.infra.kafka import LogRecord
from services.infra.kafka.specs import MESSAGE_BYTES_MAX


class MemoryLog:
    """Holds what was appended; can be away."""

    def __init__(self, *, buffer_bytes_max: int = 1024 * 1024) -> None:
        self.records: list[LogRecord] = []
        self._buffer_bytes_max = buffer_bytes_max
        self._bytes_max: dict[str, int] = {}
        self._away = False

    async def append(self, records: Sequence[LogRecord]) -> Collection[int]:
        if self._away:
            raise UnavailableError("the log is away")
        if sum(record.size for record in records) > self._buffer_bytes_max:
            raise UnavailableError("too much waits for the log")
        too_large = {position for position, one in enumerate(records) if one.batch_bytes > self.bytes_max(one.topic)}
        self.records += [record for position, record in enumerate(records) if position not in too_large]
        return too_large

    def bytes_max(self, topic: str) -> int:
        return self._bytes_max.get(topic, MESSAGE_BYTES_MAX)

    def limit(self, topic: str, bytes_max: int) -> None:
        self._bytes_max[topic] = bytes_max

    def unready(self) -> str | None:
        return "the log is away" if self._away else None

    def leave(self) -> None:
        self._away = True

    def come_back(self) -> None:
        self._away = False

    def of_topic(self, topic: str) -> list[LogRecord]:
        return [record for record in self.records if record.topic == topic]
