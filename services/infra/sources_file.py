"""The sources file of a running process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from services.infra.errors import ConfigurationError
from services.infra.followed_file import FollowedFile
from services.infra.sources import Sources


def follow_sources(path: Path | None, *, load: Callable[[Path], Sources]) -> FollowedFile[Sources]:
    """Know who may send and read; `load` reads what of the file its process needs. Raises ConfigurationError."""
    if path is None:
        raise ConfigurationError(
            "set TACTUS_SOURCES to the TOML file that names the sources and the digests of their keys"
        )
    return FollowedFile(path, load=lambda: load(path), name="sources")
