"""Take what files of a folder hold: each line once, and of a file that grows only what came since."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Callable, Final, NamedTuple, Union

from services.till import poslog
from services.till.elements import CutOffError, XmlError, elements
from services.till.limits import BATCH_BYTES_MAX, BATCH_LINES_MAX, LINE_BYTES_MAX, XML_BYTES_MAX
from services.till.lines import BYTE_ORDER_MARK, Line, Reading, Unfit, is_whole, read_line, too_long, unfit
from services.till.store import Place, Store

UNFINISHED: Final = (".tmp", ".part", ".partial", ".swp", "~")
"""Names of files that somebody is about to rename; names that begin with a dot are left alone too."""

HEAD_BYTES: Final = 1024
"""Two files of a till differ within that: their first line has a number and a time."""

GZIP_MAGIC: Final = b"\x1f\x8b"

DOCUMENT: Final = (b"<", b"\xff\xfe", b"\xfe\xff")
"""How XML begins, in UTF-16 too; a line of JSON does not."""

Read = Union[Line, Unfit]


class _Piece(NamedTuple):
    """Lines of a file, and how many of its bytes they are."""

    read: list[Read]
    done: int


class Folder:
    """A folder that a till writes files into: NDJSON that may grow, and POSLog documents."""

    def __init__(
        self, path: Path, store: Store, *, name: str, reading: Callable[[], Reading], wall_s: Callable[[], float]
    ) -> None:
        self._path = path
        self._store = store
        self._name = name
        self._reading = reading
        self._wall_s = wall_s

    def take(self, may_take: Callable[[], bool]) -> bool:
        """Take what is there; tell whether all of it was, or room was missing. Raises OSError when the folder is not there."""
        found = self._files()
        self._store.forget_files(path.name for path, _ in found)
        return all(self._tried(path, status, may_take) for path, status in found)

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        """Return the files in the order of their last change, then of their names."""
        found = []
        for path in self._path.iterdir():
            if path.name.startswith(".") or path.name.endswith(UNFINISHED):
                continue
            try:
                status = path.stat()
            except OSError:
                continue  # it went between two looks
            if stat.S_ISREG(status.st_mode):
                found.append((path, status))
        return sorted(found, key=lambda one: (one[1].st_mtime_ns, one[0].name))

    def _tried(self, path: Path, status: os.stat_result, may_take: Callable[[], bool]) -> bool:
        """Take a file; one that cannot be read is told once, and holds no other back."""
        try:
            return self._take_file(path, status, may_take)
        except OSError as error:
            told = unfit(
                "unreadable", f"the file cannot be read ({error}): give the agent's user the right to", _named(path)
            )
            self._store.take([told], origin=path.name, now=self._wall_s())
            return True

    def _take_file(self, path: Path, status: os.stat_result, may_take: Callable[[], bool]) -> bool:
        known = self._store.place(path.name)
        if known is not None and (known.size, known.changed) == (status.st_size, status.st_mtime_ns):
            return True
        with path.open("rb") as stream:
            start = known.done if known is not None and _head(stream, known.done) == known.head else 0
            for piece in self._pieces(path, stream, start, status.st_size):
                if not may_take():
                    return False
                # What is looked at next time is a file of another size or time than this.
                place = Place(path.name, piece.done, -1, 0, _head(stream, piece.done))
                self._store.take(piece.read, origin=path.name, now=self._wall_s(), place=place)
                start = piece.done
            place = Place(path.name, start, status.st_size, status.st_mtime_ns, _head(stream, start))
        self._store.take([], origin=path.name, now=self._wall_s(), place=place)
        return True

    def _pieces(self, path: Path, stream: IO[bytes], start: int, size: int) -> Iterator[_Piece]:
        stream.seek(0)
        beginning = stream.read(HEAD_BYTES).removeprefix(BYTE_ORDER_MARK).lstrip()
        if beginning.startswith(GZIP_MAGIC):
            yield _Piece([unfit("packed", "the file is packed: unpack it into the folder", _named(path))], size)
        elif beginning.startswith(DOCUMENT):
            # A document has no place to go on from: what is known of it already is not taken twice.
            yield from self._of_document(path, stream, size) if start < size else ()
        else:
            yield from self._of_lines(stream, start)

    def _of_document(self, path: Path, stream: IO[bytes], size: int) -> Iterator[_Piece]:
        if size > XML_BYTES_MAX:
            yield _Piece(
                [unfit("too-large", f"a document has at most {XML_BYTES_MAX} bytes: split it", _named(path))], size
            )
            return
        stream.seek(0)
        reading, read = self._reading(), []
        try:
            for transaction in elements(stream, "Transaction", root="POSLog"):
                read.append(poslog.lines_of(transaction, reading, store=self._name))
                if len(read) == BATCH_LINES_MAX:
                    yield _Piece(read, 0)
                    read = []
            yield _Piece(read, size)
        except CutOffError:
            yield _Piece(read, 0)
        except XmlError as error:
            yield _Piece([*read, unfit("malformed-xml", str(error), _named(path))], size)

    def _of_lines(self, stream: IO[bytes], start: int) -> Iterator[_Piece]:
        stream.seek(start)
        reading = self._reading()
        read: list[Read] = []
        done, held = start, 0
        while True:
            text, length, ended = _line(stream)
            content = (text.removeprefix(BYTE_ORDER_MARK) if done == 0 else text).strip()
            if not ended and not is_whole(content):
                break
            done += length
            held += len(text)
            if content:
                read.append(too_long(content) if length > len(text) else read_line(content, reading))
            if len(read) == BATCH_LINES_MAX or held > BATCH_BYTES_MAX:
                yield _Piece(read, done)
                read, held = [], 0
            if not ended:
                break
        yield _Piece(read, done)


def _named(path: Path) -> bytes:
    return path.name.encode("utf-8", "replace")


def _line(stream: IO[bytes]) -> tuple[bytes, int, bool]:
    """Read a line, at most so much of it as a line may have: its text, its length in the file, and whether it was ended."""
    text = stream.readline(LINE_BYTES_MAX + 2)
    length, last = len(text), text
    while last and not last.endswith(b"\n"):
        last = stream.readline(LINE_BYTES_MAX)
        length += len(last)
    return text, length, last.endswith(b"\n")


def _head(stream: IO[bytes], done: int) -> bytes:
    """Digest the beginning of what was taken, by which a file is known again; the place in the stream stays."""
    place = stream.tell()
    stream.seek(0)
    digest = hashlib.sha256(stream.read(min(done, HEAD_BYTES))).digest()[:16]
    stream.seek(place)
    return digest
