"""Tell which form a file has, and open it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.commands.rows.csv_rows import CsvRows
from services.commands.rows.forms import FileForm
from services.commands.rows.lines import opened
from services.commands.rows.ndjson_rows import JsonDocument, NdjsonRows
from services.commands.rows.parquet_rows import MAGIC, ParquetRows
from services.commands.rows.row import RowSource
from services.infra.errors import ConfigurationError
from services.infra.mapping.event_map import CsvForm

BEGINNING_BYTES: Final = 4096


_BY_NAME: Final = {
    ".csv": FileForm.CSV,
    ".tsv": FileForm.CSV,
    ".txt": FileForm.CSV,
    ".ndjson": FileForm.NDJSON,
    ".jsonl": FileForm.NDJSON,
    ".json": FileForm.JSON,
    ".parquet": FileForm.PARQUET,
}


def open_rows(path: Path, *, csv: CsvForm, form: FileForm | None) -> RowSource:
    """Open a file of this form, or of the one that its name and its first bytes tell. Raises ConfigurationError."""
    if not path.is_file():
        raise ConfigurationError(f"there is no file {path}")
    match form or form_of(path):
        case FileForm.CSV:
            return CsvRows(path, csv)
        case FileForm.NDJSON:
            return NdjsonRows(path)
        case FileForm.JSON:
            return JsonDocument(path)
        case FileForm.PARQUET:
            return ParquetRows(path)


def form_of(path: Path) -> FileForm:
    """Tell a file's form: Parquet by its first bytes, the others by their names, else by how they begin."""
    with opened(path) as (_, stream):
        beginning = stream.read(BEGINNING_BYTES)
    if beginning.startswith(MAGIC):
        return FileForm.PARQUET
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in {".gz", ".gzip"}]
    if suffixes and suffixes[-1] in _BY_NAME:
        return _BY_NAME[suffixes[-1]]
    return FileForm.NDJSON if beginning.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else FileForm.CSV
