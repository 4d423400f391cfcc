"""Lines of a file, packed or not, none of which is longer than a row can be."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from services.infra.errors import ConfigurationError

LINE_BYTES_MAX: Final = 256 * 1024
"""Eight times the largest event the door takes: whatever is longer is not a line of events."""

SHOWN_CHARS_MAX: Final = 4096
"""Of what nobody can read: enough to find it again."""

GZIP: Final = b"\x1f\x8b"


class Line(NamedTuple):
    """One line, counted from 1; `whole` is false for the beginning of one that is too long."""

    number: int
    content: bytes
    whole: bool


class Lines:
    """A file's lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size
        self.done = 0

    def __iter__(self) -> Iterator[Line]:
        """Every line with its end; raises ConfigurationError when the file cannot be read to its end."""
        number = 0
        with opened(self._path) as (raw, stream):
            while content := stream.readline(LINE_BYTES_MAX + 1):
                number += 1
                self.done = raw.tell()
                whole = len(content) <= LINE_BYTES_MAX
                yield Line(number, content, whole)
                while not whole and content and not content.endswith(b"\n"):
                    content = stream.readline(LINE_BYTES_MAX)
            self.done = self.size


@contextmanager
def opened(path: Path) -> Iterator[tuple[io.IOBase, io.BufferedIOBase]]:
    """Open the file as it is and as it is unpacked: by its first bytes, not by its name. Raises ConfigurationError."""
    try:
        with path.open("rb") as raw:
            if raw.peek(len(GZIP)).startswith(GZIP):
                with gzip.GzipFile(fileobj=raw) as stream:
                    yield raw, stream
            else:
                yield raw, raw
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(
            f"cannot read {path} to its end ({error}); check the file or fetch it again"
        ) from error
