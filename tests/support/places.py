"""Folders for data directories, open enough for the user that Postgres runs as."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def data_directory() -> Iterator[Path]:
    """Make an empty folder and remove it; pytest's own is closed to others, so root's Postgres could not enter."""
    folder = Path(tempfile.mkdtemp(prefix="tactus-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
