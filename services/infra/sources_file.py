"""The sources file of a running process: read at the start, and again when it has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from services.infra.errors import ConfigurationError
from services.infra.sources import Sources

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
"""How soon a key that is withdrawn opens nothing any more; a look costs some microseconds."""

Stamp = tuple[int, int, int] | None
"""By what a file is known to be another: its number, its time and its size; None for a missing one."""


class SourcesFile:
    """Knows who may send and read; `load` reads what of the file its process needs."""

    def __init__(self, path: Path | None, *, load: Callable[[Path], Sources]) -> None:
        if path is None:
            raise ConfigurationError(
                "set TACTUS_SOURCES to the TOML file that names the sources and the digests of their keys"
            )
        self._path = path
        self._load = load
        self._stamp = self._look()
        self.current = load(path)

    def reload(self) -> None:
        """Take the file as it is; a bad one changes nothing and is logged with its fix."""
        self._stamp = self._look()
        try:
            self.current = self._load(self._path)
        except ConfigurationError as error:
            log.error("sources_refused", reason=str(error))  # noqa: TRY400 - the message is the fix; a stack is not
            return
        log.info("sources_loaded", path=str(self._path))

    async def follow(self) -> None:
        """Reload whenever the file has changed, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._look() != self._stamp:
                self.reload()

    def _look(self) -> Stamp:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
