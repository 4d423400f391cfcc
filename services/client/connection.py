"""Tell client commands where a running stack is: connection.json in its data directory."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from services.infra.errors import ConfigurationError
from services.infra.files import write_private

FILE: Final = "connection.json"

DEFAULT_DATA: Final = Path(".tactus")
"""Where `tactus up` keeps its data when nobody says otherwise; ignored by git."""


class Connection(BaseModel):
    """The addresses, keys and process ids of one stack. `pids` are the programs themselves, never wrappers."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    ingest: str
    api: str
    kafka: str
    postgres: str
    keys: dict[str, str]
    pids: dict[str, list[int]]
    metrics: dict[str, list[str]]
    data: Path

    def write(self) -> None:
        """Publish it; whoever reads meanwhile gets the former one or this one."""
        write_private(self.data / FILE, self.model_dump_json(indent=2) + "\n")


def remove_connection(data: Path) -> None:
    """Say that nothing runs here."""
    (data / FILE).unlink(missing_ok=True)


def find_connection(data: Path | None = None) -> Connection:
    """Return how to reach the stack of this data directory.

    Raises ConfigurationError with the fix when none runs there.
    """
    folder = (data or DEFAULT_DATA).absolute()
    path = folder / FILE
    option = "" if data is None else f" --data {data}"
    try:
        return Connection.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(f"no stack runs in {folder}: start one with `tactus up{option}`") from error
    except PermissionError as error:
        raise ConfigurationError(f"{path} belongs to another user: run as that user") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}): name the directory of a stack") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path} is of another version: restart `tactus up{option}`") from error
