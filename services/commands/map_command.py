"""`tactus map`: what others' rows and bodies become by a map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.commands.rows.forms import FileForm

app = typer.Typer(help="What others' rows and bodies become by a map.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """What others' rows and bodies become by a map."""


@app.command("try")
def map_try(
    file: Annotated[Path, typer.Argument(help="CSV, NDJSON, Parquet, or JSON: one body, as a hook gets it.")],
    map_file: Annotated[Path, typer.Option("--map", help="Says what its rows are: docs/reference/mapping.md.")],
    form: Annotated[FileForm | None, typer.Option("--format", help="Else told by its name and its beginning.")] = None,
    lines: Annotated[int | None, typer.Option(min=1, help="Try so many rows; else all.")] = None,
    header: Annotated[list[str] | None, typer.Option(help="name: value, as a hook's request has it.")] = None,
    region: Annotated[str | None, typer.Option(help="Of numbers without a country code, as the source has it.")] = None,
) -> None:
    """Show what each row would become, and send nothing: no stack is needed."""
    from services.commands import map_trial

    options = map_trial.Options(
        file=file, map_file=map_file, form=form, rows_max=lines, headers=header or (), region=region
    )
    raise SystemExit(map_trial.run(options))
