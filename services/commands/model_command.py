"""`tactus model …`: reads the line of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Models: what scores are weighed by; check, show, compare, activate.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option("--data", help="The directory of the stack.")]
CHOICE = "A model's file, a version or its beginning, `active`, or `catalogue` for the catalogue's own."


@app.command("check")
def model_check(file: Annotated[Path, typer.Argument(help="A model's file.")]) -> None:
    """Check a model's file against the catalogue."""
    from services.commands import models as command

    raise SystemExit(command.check(file))


@app.command("show")
def model_show(model: Annotated[str, typer.Argument(help=CHOICE)] = "active", data: Data = None) -> None:
    """Show what a model weighs by, and where it comes from."""
    from services.commands import models as command

    raise SystemExit(command.show(model, data=data))


@app.command("list")
def model_list(data: Data = None) -> None:
    """List the models that were ever used, the newest first."""
    from services.commands import models as command

    raise SystemExit(command.list_models(data=data))


@app.command("activate")
def model_activate(
    model: Annotated[str, typer.Argument(help=CHOICE)] = "catalogue",
    wait: Annotated[bool, typer.Option(help="Show how far it is until the model is active.")] = True,
    data: Data = None,
) -> None:
    """Let a model weigh: workers write all scores anew beside the present ones, and then it is read, all at once."""
    from services.commands import activating as command

    raise SystemExit(command.activate(model, wait=wait, data=data))


@app.command("status")
def model_status(data: Data = None) -> None:
    """Show which model is active, and how far one is that takes over."""
    from services.commands import activating as command

    raise SystemExit(command.status(data=data))


@app.command("compare")
def model_compare(
    one: Annotated[str, typer.Argument(help=CHOICE)],
    other: Annotated[str, typer.Argument(help=CHOICE)],
    outcomes: Annotated[
        Path | None, typer.Option(help="CSV of customer,time,bad: how well does each model foresee them?")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file too.")] = None,
    data: Data = None,
) -> None:
    """Compare two models on everybody: who changes band, who moves most, and who is right."""
    from services.commands import comparing as command

    raise SystemExit(command.run(one, other, outcomes=outcomes, json=json, data=data))


@app.command("fit")
def model_fit(  # noqa: PLR0913, PLR0917 -- each is an option
    outcomes: Annotated[Path, typer.Option(help="CSV of customer,time,bad: what became of customers.")],
    events: Annotated[Path | None, typer.Option(help="A file of events, instead of a stack's database.")] = None,
    map_file: Annotated[Path | None, typer.Option("--map", help="How a file of others' events is read.")] = None,
    out: Annotated[Path, typer.Option(help="The model's file to write.")] = Path("learned.yaml"),
    name: Annotated[str, typer.Option(help="What the model is called.")] = "learned",
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file too.")] = None,
    data: Data = None,
) -> None:
    """Learn weights from what became of customers, and say how well they foretell what became of others later."""
    from services.commands.fitting import run as command

    options = command.Options(
        outcomes=outcomes, events=events, map_file=map_file, out=out, name=name, json=json, data=data
    )
    raise SystemExit(command.run(options))
