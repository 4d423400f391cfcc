"""Folders for data directories."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- folders are made in it under random names, closed to others
"""A file system in memory, on Linux: servers sync there as they always do, and nobody waits for a disk."""

ROOM_BYTES: Final = 8 * 1024**3
"""Free there, for it to be used: all servers of a whole run have a few GiB of tables and logs together."""


@contextmanager
def data_directory() -> Iterator[Path]:
    """Make an empty folder that is closed to others, and remove it, whatever servers have left in it.

    In memory where that has room, since what is killed leaves the same behind in both: only a power cut tells them apart.
    """
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM_BYTES
    with _made(MEMORY if roomy else None) as folder:
        yield folder


@contextmanager
def disk_directory() -> Iterator[Path]:
    """Make such a folder on a disk, for storms: there, a disk that is slow to sync is one of the faults."""
    with _made(None) as folder:
        yield folder


@contextmanager
def _made(place: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tactus-", dir=place, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
