"""A file of recorded events: its lines, when the newest was, and how far its times are moved."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from services.client.events import Outgoing
from services.infra.errors import ConfigurationError
from services.infra.mapping.event_map import EventMap, Readable, Unreadable
from services.infra.mapping.expressions import Exhausted, Unfit
from services.infra.mapping.values import Scope

LINE_BYTES_MAX: Final = 256 * 1024
"""Eight times the largest event the door takes: whatever is longer is not a line of events."""

HOUR: Final = timedelta(hours=1)

MARK: Final = codecs.BOM_UTF8
"""Some programs begin a file with it; it belongs to no line."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, Exhausted, Unfit)
"""What decoding raises on a line that is no event: of bytes that are no text, or that nest without an end."""

_OBJECT: Final = msgspec.json.Decoder(dict[str, object])


class Line(NamedTuple):
    """One line of the file, counted from 1."""

    number: int
    encoded: bytes


class Scan(NamedTuple):
    """What one reading of the whole file tells: its digest (of the text, packed or not), lines and newest time."""

    digest: str
    lines: int
    newest: datetime | None


class Recorded(NamedTuple):
    """A line as an event to send, with the time it is given."""

    occurred_at: datetime
    event: Outgoing


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """How far a file's times are moved; kept, so that every run moves them alike."""

    hours: int
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A file of recorded events and the map by which it is read."""

    path: Path
    map: EventMap

    def lines(self) -> Iterator[Line]:
        """Every line that is not empty. Raises ConfigurationError when the file cannot be read to its end."""
        with _opened(self.path) as read:
            number = 0
            while encoded := read(LINE_BYTES_MAX + 1):
                number += 1
                if number == 1:
                    encoded = encoded.removeprefix(MARK)
                if len(encoded) > LINE_BYTES_MAX:
                    raise ConfigurationError(
                        f"{self.path}:{number}: is longer than {LINE_BYTES_MAX // 1024} KiB; put one event on a line"
                    )
                if encoded.strip():
                    yield Line(number, encoded)

    def scan(self, *, now: datetime) -> Scan:
        """Read the file once, to know how much there is and how far its times must move.

        A recording is of the past: one mistyped year must not decide where all others go.
        """
        digest = hashlib.sha256()
        count = 0
        newest: datetime | None = None
        for line in self.lines():
            digest.update(line.encoded)
            count += 1
            try:
                at = self.map.occurred_at(Scope(row=_OBJECT.decode(line.encoded)))
            except UNREADABLE:
                continue
            if at is not None and at <= now and (newest is None or at > newest):
                newest = at
        return Scan(digest.hexdigest(), count, newest)

    def events(self, line: Line, *, source: str, shift_hours: int) -> Iterator[Recorded | Unreadable]:
        """A line as events to send, or why it cannot be some."""
        try:
            fields = _OBJECT.decode(line.encoded)
        except UNREADABLE:
            yield Unreadable("is not a JSON object")
            return
        row = Scope(row=fields, file={"name": self.path.name, "line": line.number})
        for read in self.map.events(row):
            yield read if isinstance(read, Unreadable) else _moved(read, source=source, shift_hours=shift_hours)


def _moved(read: Readable, *, source: str, shift_hours: int) -> Recorded | Unreadable:
    if read.occurred_at is None:
        return Unreadable("has no time, which a recording needs: add `time` to its map")
    try:
        occurred_at = read.occurred_at + shift_hours * HOUR
    except OverflowError:
        return Unreadable("has a time that no calendar reaches once it is moved")
    event = Outgoing.of(event_id=read.event_id, source=source, occurred_at=occurred_at, body=read.body)
    return Recorded(occurred_at, event)


def shift_to(newest: datetime, *, now: datetime) -> int:
    """By how many whole hours times move so that the newest is as near to now as can be, and not after it."""
    return (now - newest) // HOUR


def kept_shift(directory: Path, *, scan: Scan, source: str, now: datetime) -> int:
    """The shift of this file in this data directory: the one of its first run, which is kept here.

    It is written before the first event goes out: a run that breaks off is resumed with the same times. A file that
    has grown keeps the shift of what was sent under its source before, or all of that would count again.

    Raises ConfigurationError when what it has grown by would then lie in the future.
    """
    name = hashlib.sha256(f"{scan.digest} {source}".encode()).hexdigest()
    path = directory / "replay" / f"{name}.json"
    if path.exists():
        return _kept(path).hours
    hours = shift_to(scan.newest, now=now) if scan.newest else 0
    before = [_kept(other) for other in sorted(path.parent.glob("*.json"))]
    for shift in before:
        if shift.source != source or shift.hours == hours:
            continue
        if shift.hours > hours:
            raise ConfigurationError(
                f"{source} was replayed before with times moved by {shift.hours} hours, which puts the newest of this "
                "file into the future: name another --source, or replay into an empty data directory"
            )
        hours = shift.hours
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(Shift(hours=hours, source=source)))
    draft.replace(path)
    return hours


def _kept(path: Path) -> Shift:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Shift)
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"{path} is damaged; it says by how many hours a file's times were moved: write the hours back, "
            "or replay into an empty data directory"
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[Callable[[int], bytes]]:
    """The file's lines, unpacked if it is packed: by its first bytes, not by its name."""
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as stream:
            yield stream.readline
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(
            f"cannot read {path} to its end ({error}); check the file or fetch it again"
        ) from error
