"""Named SQL: read a .sql file whose statements are headed by `-- name --`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from typing import Final

HEADING: Final = re.compile(r"^-- ([a-z0-9_]+) --$", re.MULTILINE)


def load_queries(file: str) -> Mapping[str, str]:
    """The statements of one file by their names; raises ValueError when a name stands twice."""
    text = resources.files("services.state").joinpath("sql", file).read_text(encoding="utf-8")
    pieces = HEADING.split(text)[1:]
    names, statements = pieces[::2], pieces[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{file} names a query twice")
    return {name: statement.strip() for name, statement in zip(names, statements, strict=True)}
