"""How far an import has come: kept beside the stack's data, so that the same command goes on where one broke off."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self

import msgspec

from services.infra.errors import ConfigurationError

_ENCODER: Final = msgspec.json.Encoder()


class Reached(msgspec.Struct, kw_only=True):
    """What is settled of a file: whose events the log has, or which are in the file of rejected rows."""

    stamp: tuple[int, int]
    """The size of the file and its time, in nanoseconds: of another file everything is sent, and counts once."""
    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    left_out: int = 0
    """Rows of which the map makes nothing."""
    rejects_bytes: int = 0
    """How long the file of rejected rows is; what a broken-off run wrote behind that is written anew."""


@dataclass(frozen=True)
class Progress:
    """The file in which it is kept."""

    path: Path

    @classmethod
    def of(cls, data: Path, file: Path, *, map_file: Path, source: str, url: str) -> Self:
        """Name the file for this import: of this file by this map, to this door and source."""
        told = [str(file.absolute()), map_file.read_bytes().decode("utf-8", "replace"), source, url]
        name = hashlib.sha256(_ENCODER.encode(told)).hexdigest()
        return cls(data / "import" / f"{name}.json")

    def reached(self, file: Path) -> Reached:
        """Return what is settled; nothing where this is the first run, or the file is another than it was.

        Raises ConfigurationError when what is kept cannot be read.
        """
        stamp = stamp_of(file)
        try:
            kept = msgspec.json.decode(self.path.read_bytes(), type=Reached)
        except FileNotFoundError:
            return Reached(stamp=stamp)
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigurationError(
                f"{self.path} cannot be read; it says how far the import has come: remove it to begin anew, "
                "what is in the log counts once"
            ) from error
        return kept if kept.stamp == stamp else Reached(stamp=stamp)

    def keep(self, reached: Reached) -> None:
        """Keep what is settled, the whole of it or what was kept before."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        draft.write_bytes(_ENCODER.encode(reached))
        draft.replace(self.path)

    def forget(self) -> None:
        """Begin anew the next time."""
        self.path.unlink(missing_ok=True)


def stamp_of(file: Path) -> tuple[int, int]:
    """Tell one state of a file from another, without reading it."""
    found = file.stat()
    return found.st_size, found.st_mtime_ns


class Rejects:
    """The file of rejected rows: each with its line, what it holds and why it is here."""

    def __init__(self, path: Path, *, bytes_kept: int) -> None:
        """Go on behind what is settled of it; it is made with the first row that is rejected."""
        self.path = path
        self._kept = bytes_kept
        self._file: BinaryIO | None = None
        self.size = bytes_kept
        if bytes_kept == 0 and path.exists():
            path.unlink()

    def write(self, *, line: int, reason: str, row: object) -> None:
        """Write a row."""
        if self._file is None:
            self._file = self._opened()
        text = _ENCODER.encode({"line": line, "reason": reason, "row": row}) + b"\n"
        self._file.write(text)
        self.size += len(text)

    def flush(self) -> None:
        """Hand it to the system, before it is said to be settled."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """End it."""
        if self._file is not None:
            self._file.close()

    def _opened(self) -> BinaryIO:
        try:
            # Rows hold what people are known by: nobody else reads them.
            file = open(self.path, "r+b" if self._kept and self.path.exists() else "wb")  # noqa: PTH123, SIM115
            self.path.chmod(0o600)
            self.size = file.seek(min(self._kept, file.seek(0, 2)))
            file.truncate()
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {self.path} ({error.strerror}): name another file with --rejected"
            ) from error
        return file
