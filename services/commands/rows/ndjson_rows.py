"""Rows of newline-delimited JSON, and the one of a JSON document."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from services.commands.rows.lines import LINE_BYTES_MAX, SHOWN_CHARS_MAX, Lines, opened
from services.commands.rows.row import BadRow, Row
from services.infra.errors import ConfigurationError

DOCUMENT_BYTES_MAX: Final = 16 * 1024 * 1024
"""Four times what the door unpacks; a larger file has a line for each row."""

WIDE_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_ANY: Final = msgspec.json.Decoder(Any)
_NO_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


class NdjsonRows:
    """A file with a JSON value on each line."""

    columns: tuple[str, ...] | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = Lines(path)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._lines.size

    @property
    def done(self) -> int:
        """Bytes of it that are read."""
        return self._lines.done

    def rows(self) -> Iterator[Row | BadRow]:
        """Every line that is not empty."""
        for line in self._lines:
            text = line.content.removeprefix(codecs.BOM_UTF8) if line.number == 1 else line.content
            if line.number == 1 and text.startswith(WIDE_MARKS):
                raise ConfigurationError(f"{self._path} is UTF-16, which JSON is not: save it as UTF-8")
            if text.strip():
                yield self._row(line.number, text, whole=line.whole)

    def _row(self, number: int, text: bytes, *, whole: bool) -> Row | BadRow:
        shown = text[:SHOWN_CHARS_MAX].decode("utf-8", "replace").rstrip("\r\n")
        if not whole:
            return BadRow(number, f"is longer than {LINE_BYTES_MAX // 1024} KiB; put one row on a line", shown)
        try:
            return Row(number, _ANY.decode(text))
        except _NO_JSON as error:
            return BadRow(number, f"is not JSON ({error}); mend the line", shown)


class JsonDocument:
    """A file that is one JSON value, as a hook's body is."""

    columns: tuple[str, ...] | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size
        self.done = 0

    def rows(self) -> Iterator[Row | BadRow]:
        """The one row, whose own rows a map's `each` finds."""
        with opened(self._path) as (_, stream):
            text = stream.read(DOCUMENT_BYTES_MAX + 1)
        if len(text) > DOCUMENT_BYTES_MAX:
            raise ConfigurationError(
                f"{self._path} is larger than {DOCUMENT_BYTES_MAX // 1024**2} MiB: write each row on a line (NDJSON)"
            )
        try:
            document = _ANY.decode(text.removeprefix(codecs.BOM_UTF8))
        except _NO_JSON as error:
            raise ConfigurationError(
                f"{self._path} is not JSON ({error}): mend it, or name another --format"
            ) from error
        self.done = self.size
        yield Row(1, document)
