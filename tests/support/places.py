"""Folders for data directories."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def data_directory() -> Iterator[Path]:
    """Make an empty folder that is closed to others, and remove it, whatever servers have left in it."""
    with tempfile.TemporaryDirectory(prefix="tactus-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
