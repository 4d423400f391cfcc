"""The maps that the project brings for recordings, each named after its file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.infra.errors import ConfigurationError

MAPS: Final = Path(__file__).with_name("maps")


def find_map(recording: Path, *, chosen: Path | None) -> Path:
    """The map for a file: the chosen one, or the project's own of the same name."""
    path = chosen if chosen is not None else MAPS / f"{stem(recording)}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in MAPS.glob("*.yaml")))
        raise ConfigurationError(
            f"no map file {path}: write one and name it with --map (docs/reference/mapping.md says how); "
            f"there are maps for {known}"
        )
    return path


def has_map(recording: Path) -> bool:
    """Tell whether the project brings a map for a file of this name."""
    return (MAPS / f"{stem(recording)}.yaml").is_file()


def stem(path: Path) -> str:
    """A file's name without its extensions."""
    return path.name.split(".", maxsplit=1)[0] or path.name
