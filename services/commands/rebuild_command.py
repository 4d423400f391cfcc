"""`tactus rebuild …`: reads the line of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Judge all stored events anew, by today's catalogue and rules on classes, while events go on to be counted.",
    invoke_without_command=True,
)

Data = Annotated[Path | None, typer.Option("--data", help="The directory of the stack.")]


@app.callback()
def rebuild(
    context: typer.Context,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Only build and compare; `tactus rebuild` then goes on and swaps.")
    ] = False,
    data: Data = None,
) -> None:
    """Begin a rebuild, or go on with one that was stopped; at its end everybody reads the result, all at once."""
    if context.invoked_subcommand is None:
        from services.commands import rebuild as command

        raise SystemExit(command.run(shadow=shadow, data=data))


@app.command()
def status(data: Data = None) -> None:
    """Show how far the last rebuild is."""
    from services.commands import rebuild as command

    raise SystemExit(command.status(data=data))


@app.command()
def drop(data: Data = None) -> None:
    """Give a rebuild up; what is read stays what it was."""
    from services.commands import rebuild as command

    raise SystemExit(command.drop(data=data))
