"""Say where a user's downloads and start-up files are kept, for every checkout."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from services.infra.errors import ConfigurationError


def cache_directory() -> Path:
    """Return the folder, which exists, can be written and may hold native code; made if need be.

    Raises ConfigurationError with the setting that names another.
    """
    try:
        folder = Path(platformdirs.user_cache_dir("tactus", appauthor=False))
    except RuntimeError as error:
        raise ConfigurationError("this user has no home directory for the cache: set XDG_CACHE_HOME") from error
    fault = _fault(folder)
    if fault is not None:
        raise ConfigurationError(f"{folder} cannot be the cache ({fault}): set XDG_CACHE_HOME to a folder that can")
    return folder


def _fault(folder: Path) -> str | None:
    if os.pathsep in str(folder):
        return f"Java takes {os.pathsep} for the end of a path"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return str(error.strerror)
    if not os.access(folder, os.W_OK | os.X_OK):
        return "it cannot be written"
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return "it is mounted noexec, and Kafka's compression is native code"
    return None
