"""Rows of Parquet files, whose library only whoever imports them installs."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from importlib.metadata import requires
from pathlib import Path
from typing import Any, Final

from services.commands.rows.row import BadRow, Row
from services.core.instants import write_instant
from services.infra.errors import ConfigurationError

ROWS_AT_ONCE: Final = 500
"""Held in memory, beside the pages that the library reads: as many as the door takes at once."""

MAGIC: Final = b"PAR1"


class ParquetRows:
    """A Parquet file; its rows are counted, since it has no lines."""

    def __init__(self, path: Path) -> None:
        """Open it; raises ConfigurationError when it is none, or when the library is not installed."""
        parquet = _library()
        self._path = path
        self._arrow = import_module("pyarrow")
        try:
            self._file: Any = parquet.ParquetFile(path)
        except (OSError, self._arrow.ArrowException) as error:
            raise ConfigurationError(
                f"cannot read {path} as Parquet ({error}); check the file or fetch it again"
            ) from error
        self.columns: tuple[str, ...] = tuple(self._file.schema_arrow.names)
        twice = next((name for name in self.columns if self.columns.count(name) > 1), None)
        if twice is not None:
            raise ConfigurationError(f"{path}: has two columns {twice!r}: give each its own name")
        self.size = int(self._file.metadata.num_rows)
        self.done = 0

    def rows(self) -> Iterator[Row | BadRow]:
        """Every row."""
        try:
            for batch in self._file.iter_batches(batch_size=ROWS_AT_ONCE):
                for fields in self._to_the_microsecond(batch).to_pylist():
                    self.done += 1
                    yield Row(self.done, _plain(fields))
        except (OSError, ValueError, self._arrow.ArrowException) as error:
            raise ConfigurationError(
                f"cannot read {self._path} to its end ({error}); check the file or fetch it again"
            ) from error

    def _to_the_microsecond(self, batch: Any) -> Any:  # noqa: ANN401 - the library has no types
        """Cut nanoseconds, which Python's times do not have."""
        types = self._arrow.types
        for position, column in enumerate(batch.schema):
            if types.is_timestamp(column.type) and column.type.unit == "ns":
                cut = batch.column(position).cast(self._arrow.timestamp("us", column.type.tz), safe=False)
                batch = batch.set_column(position, column.name, cut)
        return batch


def _library() -> Any:  # noqa: ANN401 - the library has no types
    try:
        return import_module("pyarrow.parquet")
    except ImportError as error:
        pin = next((one.partition(";")[0].strip() for one in requires("tactus") or () if "pyarrow" in one), "pyarrow")
        raise ConfigurationError(
            f"Parquet needs a library that is not installed: {sys.executable} -m pip install '{pin}' "
            "(or install tactus[parquet])"
        ) from error


def _plain(value: object) -> object:
    """Give a value as JSON has it."""
    match value:
        case dict():
            return {str(name): _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            write = next((write for kind, write in _WRITTEN.items() if isinstance(value, kind)), None)
            return value if write is None else write(value)


_WRITTEN: Final[Mapping[type, Callable[[Any], object]]] = {
    datetime: lambda moment: write_instant(moment) if moment.tzinfo is not None else moment.isoformat(),
    date: date.isoformat,
    time: time.isoformat,
    timedelta: timedelta.total_seconds,
    Decimal: "{:f}".format,
    bytes: lambda text: text.decode("utf-8", "backslashreplace"),
}
"""Times in RFC 3339, as far as they have a zone, and exact decimals as text; the first kind that fits counts."""
