"""A file of a running process: read at the start, and again when it has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog

from services.infra.errors import ConfigurationError

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
"""How soon a key that is withdrawn opens nothing any more; a look costs some microseconds."""

Stamp = tuple[int, int, int] | None
"""By what a file is known to be another: its number, its time and its size; None for a missing one."""

T = TypeVar("T")


class FollowedFile(Generic[T]):
    """Knows what a file holds; without a path, what holds where there is none. `name` is for the log."""

    def __init__(self, path: Path | None, *, load: Callable[[], T], name: str) -> None:
        self._path = path
        self._load = load
        self._loaded, self._refused = f"{name}_loaded", f"{name}_refused"
        self._stamp = self._look()
        self.current = load()

    def reload(self) -> None:
        """Take the file as it is; a bad one changes nothing and is logged with its fix."""
        self._stamp = self._look()
        try:
            self.current = self._load()
        except ConfigurationError as error:
            log.error(self._refused, reason=str(error))  # noqa: TRY400 - the message is the fix; a stack is not
            return
        log.info(self._loaded, path=str(self._path))

    async def follow(self) -> None:
        """Reload whenever the file has changed, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._look() != self._stamp:
                self.reload()

    def _look(self) -> Stamp:
        try:
            found = None if self._path is None else self._path.stat()
        except OSError:
            return None
        return None if found is None else (found.st_ino, found.st_mtime_ns, found.st_size)
