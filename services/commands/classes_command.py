"""`tactus classes …`: the rules on who is no customer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Rules on who is no customer.", no_args_is_help=True)


@app.command()
def check(
    override: Annotated[Path | None, typer.Option(help="A file of rules; that of TACTUS_CLASSES otherwise.")] = None,
) -> None:
    """Check the rules, with a deployment's own, and list them in the order in which they are tried."""
    from services.infra.classes.reading import check as checked
    from services.infra.settings import read_settings

    typer.echo(checked(override or read_settings().classes))
