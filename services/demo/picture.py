"""A picture of a demo's run, as a terminal showed it: the table at the end of the outage, and the counts."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType

from services.infra.errors import ConfigurationError

WIDTH: Final = 104
"""The line of counts fits."""

ROWS: Final = 12
"""Customers in the picture: enough to see that some fall and others stay."""

FONTS: Final = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
"""The library's own frame fetches fonts from somewhere; ours shows what the reader's machine has."""


class Picture:
    """What is drawn on it, in order; written as SVG at the end."""

    def __init__(self, command: str) -> None:
        self._command = command
        self.console = Console(
            file=io.StringIO(),
            record=True,
            width=WIDTH,
            force_terminal=True,
            color_system="truecolor",
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )
        self.draw(f"$ {command}")

    def draw(self, what: RenderableType) -> None:
        """Add a line, or something that rich can render, and an empty line behind it."""
        self.console.print(what)
        self.console.print()

    def write(self, path: Path) -> None:
        """Write the picture; raises ConfigurationError when the file cannot be written."""
        drawn = FONTS.sub("", self.console.export_svg(title=self._command, unique_id="demo"))
        try:
            path.write_text(drawn, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written ({error.strerror}): name another --picture") from error
