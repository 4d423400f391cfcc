"""Rows of comma-separated values, however they are parted, quoted and encoded."""

from __future__ import annotations

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from services.commands.rows.lines import LINE_BYTES_MAX, SHOWN_CHARS_MAX, Lines
from services.commands.rows.row import BadRow, Row
from services.infra.errors import ConfigurationError
from services.infra.mapping.event_map import CsvForm

DELIMITERS: Final = ",;\t|"
COLUMNS_MAX: Final = 2_000
"""The widest export seen of a survey has 900."""

MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
"""What begins a file and says how it is encoded, whatever its map says."""

_QUOTED: Final = re.compile(r'"[^"]*"')
_UNREAD: Final = re.compile("[\udc80-\udcff]")


class _EndlessError(Exception):
    """A row goes on for longer than a row can be."""


class _Text(NamedTuple):
    """A decoded line, with the bytes that it has in the file."""

    number: int
    text: str
    size: int


class _Record(NamedTuple):
    """The cells of a row, and the lines that they stand in."""

    line: int
    cells: list[str]
    text: str


class CsvRows:
    """A file whose first line names its columns."""

    def __init__(self, path: Path, form: CsvForm) -> None:
        """Read the first line; raises ConfigurationError when it names no columns."""
        self._path = path
        self._lines = Lines(path)
        self._encoding = _encoding(path, form)
        self._texts: Iterator[_Text] = self._decoded()
        self._again: deque[_Text] = deque()
        self._delimiter = form.delimiter or ","
        head = next(self._texts, None)
        while head is not None and not head.text.strip():
            head = next(self._texts, None)
        if head is None:
            raise ConfigurationError(f"{path} is empty: its first line must name the columns")
        if form.delimiter is None:
            self._delimiter = _likeliest(head.text)
        self._again.append(head)
        self.columns: tuple[str, ...] = self._named(self._next())

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._lines.size

    @property
    def done(self) -> int:
        """Bytes of it that are read."""
        return self._lines.done

    def rows(self) -> Iterator[Row | BadRow]:
        """Every row after the first that holds something."""
        while (read := self._next()) is not None:
            if isinstance(read, BadRow):
                yield read
            elif any(cell.strip() for cell in read.cells):
                yield self._row(*read)

    def _row(self, line: int, cells: list[str], text: str) -> Row | BadRow:
        if _UNREAD.search(text):
            shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            reason = f"is not {self._encoding}: name its encoding in the map, such as csv: {{encoding: cp1250}}"
            return BadRow(line, reason, shown)
        beyond = cells[len(self.columns) :]
        if len(cells) < len(self.columns) or any(cell.strip() for cell in beyond):
            reason = f"has {len(cells)} fields, and the first line names {len(self.columns)}: mend the line"
            return BadRow(line, reason, text)
        return Row(line, dict(zip(self.columns, cells, strict=False)))

    def _next(self) -> _Record | BadRow | None:
        """Read one row, of as many lines as its quotes hold; what follows one that does not end is read anew."""
        used: list[_Text] = []
        try:
            cells = next(csv.reader(self._feed(used), delimiter=self._delimiter, strict=True), None)
        except (csv.Error, _EndlessError) as error:
            first, *others = used
            self._again.extendleft(reversed(others))
            shown = first.text[:SHOWN_CHARS_MAX].rstrip("\r\n")
            return BadRow(
                first.number, f"has a quote that does not fit ({error}): write a quote inside of quotes twice", shown
            )
        if cells is None:
            return None
        whole = "".join(one.text for one in used)
        return _Record(used[0].number, cells, whole[:SHOWN_CHARS_MAX].rstrip("\r\n"))

    def _feed(self, used: list[_Text]) -> Iterator[str]:
        size = 0
        while True:
            line = self._again.popleft() if self._again else next(self._texts, None)
            if line is None:
                return
            used.append(line)
            size += line.size
            if size > LINE_BYTES_MAX:
                raise _EndlessError(f"the row is longer than {LINE_BYTES_MAX // 1024} KiB")
            yield line.text

    def _decoded(self) -> Iterator[_Text]:
        if self._encoding.startswith("utf-16"):
            yield from self._decoded_wide()
            return
        for line in self._lines:
            content = line.content.removeprefix(codecs.BOM_UTF8) if line.number == 1 else line.content
            yield _Text(line.number, content.decode(self._encoding, "surrogateescape"), len(line.content))

    def _decoded_wide(self) -> Iterator[_Text]:
        """Decode across lines: a character's second byte may be what ends a line elsewhere."""
        decoder = codecs.getincrementaldecoder(self._encoding)("replace")
        number, rest = 0, ""
        for line in self._lines:
            *whole, rest = (rest + decoder.decode(line.content)).split("\n")
            for text in whole:
                number += 1
                yield _Text(number, f"{text}\n".removeprefix("\ufeff" if number == 1 else ""), 2 * len(text))
            if len(rest) > LINE_BYTES_MAX:
                raise ConfigurationError(f"{self._path}:{number + 1}: is longer than {LINE_BYTES_MAX // 1024} KiB")
        if rest:
            yield _Text(number + 1, rest, 2 * len(rest))

    def _named(self, read: _Record | BadRow | None) -> tuple[str, ...]:
        if not isinstance(read, _Record):
            raise ConfigurationError(f"{self._path}:1: {'names no columns' if read is None else read.reason}")
        line, cells, text = read
        if _UNREAD.search(text):
            raise ConfigurationError(
                f"{self._path}:{line}: is not {self._encoding}: name its encoding in the map, such as csv: {{encoding: cp1250}}"
            )
        if len(cells) > COLUMNS_MAX:
            raise ConfigurationError(
                f"{self._path}:{line}: names {len(cells)} columns, of which a file has at most {COLUMNS_MAX}"
            )
        names = tuple(cell.strip() or f"column_{position}" for position, cell in enumerate(cells, start=1))
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigurationError(f"{self._path}:{line}: names two columns {twice!r}: give each its own name")
        return names


def _encoding(path: Path, form: CsvForm) -> str:
    beginning = next((line.content for line in Lines(path)), b"")
    for mark, encoding in MARKS:
        if beginning.startswith(mark):
            return encoding
    return form.encoding


def _likeliest(head: str) -> str:
    """Choose the delimiter that the first line has most of, outside of quotes."""
    bare = _QUOTED.sub("", head)
    return max(DELIMITERS, key=bare.count)
