"""`tactus sources …`: reads the line of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

sources = typer.Typer(help="Who sends: how each source is, and what it sends at this moment.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option("--data", help="The directory of the stack.")]


@sources.command("list")
def sources_list(data: Data = None) -> None:
    """Show how each source is: its last event, what it sends against what it usually does, what is wrong with it."""
    from services.commands import sources as command

    raise SystemExit(command.run(data))


@sources.command("watch")
def sources_watch(
    name: Annotated[str | None, typer.Argument(help="Of the source; left out, all of them.")] = None, data: Data = None
) -> None:
    """Wait for the first event, and show what comes and what becomes of it, until Ctrl-C."""
    from services.commands import watching as command

    raise SystemExit(command.run(name, data=data))
