"""What `tactus import` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.commands.rows.forms import FileForm


def import_file(  # noqa: PLR0913, PLR0917 - one for each option of the command
    file: Annotated[Path, typer.Argument(help="CSV, NDJSON, JSON (one body) or Parquet, gzip or not.")],
    map_file: Annotated[Path, typer.Option("--map", help="Says what its rows are: docs/reference/mapping.md.")],
    source: Annotated[
        str | None, typer.Option(help="Source of the events; import/<file name>. \"\" for the key's own, as a hook's.")
    ] = None,
    form: Annotated[FileForm | None, typer.Option("--format", help="Else told by its name and its beginning.")] = None,
    rejected: Annotated[
        Path | None, typer.Option(help="Where rejected rows go; <file>.rejected.ndjson beside it.")
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Begin with the first row again.")] = False,
    data: Annotated[Path | None, typer.Option("--data", help="The directory of the stack.")] = None,
) -> None:
    """Send a file of others through the HTTP door, its times as they are; a second run goes on where one broke off."""
    from services.commands import importing

    options = importing.Options(
        file=file, map_file=map_file, source=source, form=form, rejected=rejected, anew=anew, data=data
    )
    raise SystemExit(importing.run(options))
