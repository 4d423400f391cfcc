"""`tactus till …`: the store-and-forward agent of a till, and the file that it runs from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

app = typer.Typer(help="Keep what a till says, and send it when the line is there.", no_args_is_help=True)

AS_IT_IS: Final = {"allow_extra_args": True, "ignore_unknown_options": True}
"""The agent reads its own options: it has to where it runs alone, and then they are the same here."""


def _agent(name: str, context: typer.Context) -> None:
    from services.till.command import main

    raise SystemExit(main([name, *context.args], program="tactus till"))


@app.command(context_settings=AS_IT_IS, add_help_option=False)
def run(context: typer.Context) -> None:
    """Take lines from a folder or standard input, and send them; --help shows the options and how to run it for good."""
    _agent("run", context)


@app.command(context_settings=AS_IT_IS, add_help_option=False)
def status(context: typer.Context) -> None:
    """Show the backlog and the clock's error."""
    _agent("status", context)


@app.command(context_settings=AS_IT_IS, add_help_option=False)
def aside(context: typer.Context) -> None:
    """List the lines that were set aside, and why."""
    _agent("aside", context)


@app.command()
def pack(file: Annotated[Path, typer.Argument(help="Where to, such as tactus-till.pyz.")]) -> None:
    """Write the agent as one file that runs on any till with Python 3.9 or later, and nothing else."""
    from services.commands import till as command

    typer.echo(command.write(file))
