"""What a file gives: rows, and rows that nobody can read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Row(NamedTuple):
    """One row, by the line where it begins, or its number where a file has no lines."""

    line: int
    fields: object


class BadRow(NamedTuple):
    """A row that cannot be read, as it stands in the file."""

    line: int
    reason: str
    text: str


class RowSource(Protocol):
    """A file that is read from its beginning to its end."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names that every row's fields have; None where each row has its own."""

    @property
    def size(self) -> int:
        """How much there is to read, in whatever unit `done` counts."""

    @property
    def done(self) -> int:
        """How much is read."""

    def rows(self) -> Iterator[Row | BadRow]:
        """Every row, in the file's order; raises ConfigurationError where the file cannot be read on."""
