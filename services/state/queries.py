"""Named SQL: the statements of every file in sql/, each headed by `-- name --`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from typing import Final

HEADING: Final = re.compile(r"^-- ([a-z0-9_]+) --$", re.MULTILINE)

SCHEMA: Final = "schema.sql"
"""The whole schema as the migrations leave it: to be read, never to be run."""


def load_queries() -> Mapping[str, str]:
    """The statements of all files by their names; raises ValueError when a name stands twice."""
    found: dict[str, str] = {}
    folder = resources.files("services.state").joinpath("sql")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".sql") or file.name == SCHEMA:
            continue
        pieces = HEADING.split(file.read_text(encoding="utf-8"))[1:]
        for name, statement in zip(pieces[::2], pieces[1::2], strict=True):
            if name in found:
                raise ValueError(f"{file.name} names the query {name} a second time")
            found[name] = statement.strip()
    return found


SQL: Final = load_queries()
