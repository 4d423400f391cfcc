"""What every bench does around its measurement: a directory to work in, and figures printed and kept."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def working_directory() -> Iterator[Path]:
    """A directory that Postgres' own account can reach, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="tactus-bench-") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


def publish(figures: Mapping[str, object], *, path: Path | None) -> None:
    """Print the figures with the machine they were seen on, and write them to a file when one is named."""
    machine = {"cores": os.cpu_count(), "load_average": os.getloadavg()}
    text = json.dumps({**figures, **machine}, indent=2)
    sys.stdout.write(text + "\n")
    if path:
        path.write_text(text + "\n", encoding="utf-8")
