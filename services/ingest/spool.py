"""Keep records on disk while the log is away: in files of entries, each with a check sum, read back in their order.

A record is durable when `append` returns. Nothing here waits or knows of the loop: whoever uses it does so in a thread,
one call at a time.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog

from services.infra.errors import ConfigurationError, UnavailableError
from services.infra.kafka import LogRecord

log = structlog.get_logger(__name__)

SEGMENT_BYTES: Final = 8 * 1024 * 1024
"""So much is read again when a process dies while it sends from its spool; it counts once all the same."""

ENTRY_BYTES_MAX: Final = 8 * 1024 * 1024
"""A record has at most a megabyte; a longer length is not ours."""

BATCH_BYTES: Final = 1024 * 1024
"""What is sent from the spool at once: little beside live traffic."""

REQUEST_BYTES: Final = 8 * 1024 * 1024
"""What one request makes at most: a spool with less room than that would refuse some and say that it is ready."""

LOOKED_AT_BYTES: Final = 2 * 1024 * 1024
"""Of a file, to find its first record: one has at most a megabyte."""

MAGIC: Final = b"TSP1"
_HEAD: Final = struct.Struct(">4sII")
_SUFFIX: Final = ".spool"


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One record, and when it came."""

    at_s: float
    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class Part(NamedTuple):
    """Records that come next, and where in which file they end."""

    records: Sequence[LogRecord]
    path: Path
    end: int


@dataclass
class _Open:
    """The file that is written to, and where the next entry begins."""

    path: Path
    file: int
    length: int = 0


class Spool:
    """A bounded queue of records in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        bytes_max: int,
        age_s_max: float,
        now_s: Callable[[], float],
        on_set_aside: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the folder and find what an earlier process left; raises ConfigurationError when it cannot be used."""
        self._folder, self._bytes_max, self._age_s_max, self._now_s = folder, bytes_max, age_s_max, now_s
        self._on_set_aside = on_set_aside
        self._broken: str | None = None
        self._lock = _locked(folder)
        self._read_to = 0
        self._open: _Open | None = None
        for path in self._segments()[-1:]:
            _drop_torn_tail(path)
        self.held_bytes = sum(path.stat().st_size for path in self._segments())
        self.oldest_at_s = self._find_oldest()

    @property
    def age_s(self) -> float:
        """How long the oldest record has been here; 0 when there is none."""
        return 0.0 if self.oldest_at_s is None else self._now_s() - self.oldest_at_s

    def refusal(self) -> str | None:
        """Tell why nothing more can be kept, or None."""
        if self._broken is not None:
            return self._broken
        if self.held_bytes > self._bytes_max - min(REQUEST_BYTES, self._bytes_max // 16):
            return "the spool is full"
        if self.age_s > self._age_s_max:
            return "the spool holds records that are too old: bring Kafka back"
        return None

    def append(self, records: Sequence[LogRecord]) -> None:
        """Return when the records are on the disk; raises UnavailableError, and keeps none of them, when they cannot be."""
        refused = self.refusal()
        entries = b"".join(_written(record, self._now_s()) for record in records)
        if refused is None and self.held_bytes + len(entries) > self._bytes_max:
            refused = "the spool is full"
        if refused is not None:
            raise UnavailableError(refused)
        try:
            self._write(entries)
        except OSError as error:
            raise UnavailableError(f"the spool cannot be written ({error.strerror})") from error
        self.held_bytes += len(entries)
        if self.oldest_at_s is None:
            self.oldest_at_s = self._now_s()

    def next(self) -> Part | None:
        """Return the oldest records, as many as are sent at once; None when there are none. What is damaged is set aside."""
        for path in self._segments():
            records, end = self._part(path, self._length(path))
            if records:
                return Part(records, path, end)
            self._forget(path)
        self.oldest_at_s = None
        return None

    def sent(self, part: Part) -> None:
        """Forget records that the log has."""
        self._read_to = part.end
        if not self._is_open(part.path) and part.end >= self._length(part.path):
            self._forget(part.path)
        self.oldest_at_s = self._find_oldest()

    def put_aside(self, part: Part, positions: Collection[int]) -> None:
        """Keep records that the log never takes beside the spool, for a person to look at."""
        entries = b"".join(_written(part.records[at], self._now_s()) for at in sorted(positions))
        self._set_aside(part.path, entries, part.end)

    def close(self) -> None:
        """Let another process have the folder."""
        if self._open is not None:
            os.close(self._open.file)
        os.close(self._lock)

    def _write(self, entries: bytes) -> None:
        opened = self._open
        if opened is None or opened.length >= SEGMENT_BYTES:
            opened = self._open = self._rotated()
        try:
            left = memoryview(entries)
            while left:
                left = left[os.write(opened.file, left) :]
        except OSError:
            # What was written of it was acknowledged to nobody, and the next record must begin where an entry ends.
            os.ftruncate(opened.file, opened.length)
            raise
        try:
            os.fdatasync(opened.file)
        except OSError:
            # What a disk that failed once says afterwards means nothing: only a new process may trust it again.
            self._broken = "the spool's disk failed: mend it, and start the process again"
            raise
        opened.length += len(entries)

    def _rotated(self) -> _Open:
        segments = self._segments()
        number = int(segments[-1].stem) + 1 if segments else 1
        path = self._folder / f"{number:012d}{_SUFFIX}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        _sync_folder(self._folder)
        if self._open is not None:
            os.close(self._open.file)
        return _Open(path, file)

    def _is_open(self, path: Path) -> bool:
        return self._open is not None and self._open.path == path

    def _length(self, path: Path) -> int:
        return self._open.length if self._open is not None and self._open.path == path else path.stat().st_size

    def _segments(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{_SUFFIX}"))

    def _part(self, path: Path, limit: int) -> tuple[list[LogRecord], int]:
        start = self._read_to if path == self._segments()[0] else 0
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(limit - start)
        records: list[LogRecord] = []
        size = end = 0
        for entry, begins, ends in _entries(data):
            if begins > end:
                self._set_aside(path, data[end:begins], start + end)
            records.append(LogRecord(entry.topic, entry.key, entry.value, entry.headers))
            size, end = size + ends - begins, ends
            if size > BATCH_BYTES:
                return records, start + end
        if end < len(data):
            self._set_aside(path, data[end:], start + end)
        return records, start + len(data)

    def _set_aside(self, path: Path, damaged: bytes, at: int) -> None:
        """Keep what cannot be read beside the spool, for a person to look at."""
        aside = path.with_name(f"{path.stem}-{at}.damaged")
        if not aside.exists():
            aside.write_bytes(damaged)
            log.error("spool_damaged", file=str(aside), size=len(damaged))
            self._on_set_aside()

    def _forget(self, path: Path) -> None:
        if self._open is not None and self._open.path == path:
            os.close(self._open.file)
            self._open = None
        self.held_bytes -= path.stat().st_size
        path.unlink()
        self._read_to = 0

    def _find_oldest(self) -> float | None:
        for path in self._segments():
            start = self._read_to if path == self._segments()[0] else 0
            with path.open("rb") as file:
                file.seek(start)
                first = next(_entries(file.read(LOOKED_AT_BYTES)), None)
            if first is not None:
                return first[0].at_s
        return None


def _written(record: LogRecord, at_s: float) -> bytes:
    payload = msgspec.msgpack.encode(Entry(at_s, record.topic, record.key, record.value, record.headers))
    return _HEAD.pack(MAGIC, len(payload), zlib.crc32(payload)) + payload


def _entries(data: bytes) -> Iterator[tuple[Entry, int, int]]:
    """Read the whole entries of a text, with where each begins and ends; what lies between them is damaged."""
    at = 0
    while (at := data.find(MAGIC, at)) >= 0:
        found = _entry_at(data, at)
        if found is None:
            at += 1
            continue
        yield found[0], at, found[1]
        at = found[1]


def _entry_at(data: bytes, at: int) -> tuple[Entry, int] | None:
    begins = at + _HEAD.size
    if begins > len(data):
        return None
    _, size, checksum = _HEAD.unpack_from(data, at)
    payload = data[begins : begins + size]
    if size > ENTRY_BYTES_MAX or len(payload) < size or zlib.crc32(payload) != checksum:
        return None
    try:
        return msgspec.msgpack.decode(payload, type=Entry), begins + size
    except msgspec.MsgspecError:
        return None


def _drop_torn_tail(path: Path) -> None:
    """Cut off what a process was writing when it died: it had acknowledged nothing of it."""
    data = path.read_bytes()
    end = max((ends for _, _, ends in _entries(data)), default=0)
    if end < len(data):
        log.warning("spool_torn_tail", file=path.name, size=len(data) - end)
        os.truncate(path, end)


def _locked(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        reason = "another process uses it: give each its own" if error.errno == errno.EWOULDBLOCK else error.strerror
        raise ConfigurationError(f"the spool {folder} cannot be used ({reason}): set TACTUS_INGEST__SPOOL") from error
    return lock


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
