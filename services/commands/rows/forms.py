"""The forms of files that have rows."""

from __future__ import annotations

from enum import StrEnum


class FileForm(StrEnum):
    """How a file's rows are written."""

    CSV = "csv"
    NDJSON = "ndjson"
    JSON = "json"
    PARQUET = "parquet"
