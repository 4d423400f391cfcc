"""`tactus crm …`: reads the line of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

crm = typer.Typer(help="CRM systems: what they were told and what they said.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option("--data", help="The directory of the stack.")]
Name = Annotated[str | None, typer.Argument(help="Of the connector; left out, all of them.")]
Key = Annotated[str | None, typer.Option(help="Of this record: the customer's id as the system has it.")]
State = Annotated[str | None, typer.Option(help="waiting, sent, absent or failed.")]


@crm.command("check")
def crm_check(data: Data = None) -> None:
    """Read the connectors file, and ask each system whether it lets us in; nothing is written there."""
    from services.commands import crm as command

    raise SystemExit(command.check(data))


@crm.command("status")
def crm_status(
    name: Name = None,
    state: State = None,
    key: Key = None,
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="Records to show.")] = 10,
    data: Data = None,
) -> None:
    """Show how each system stands, what is left of its budget, and what it last said of records."""
    from services.commands import crm as command

    raise SystemExit(command.status(name, state=state, key=key, limit=limit, data=data))


@crm.command("diff")
def crm_diff(
    name: Name = None,
    sample: Annotated[int, typer.Option(min=1, max=500, help="Records to read back.")] = 20,
    data: Data = None,
) -> None:
    """Read some records back and name what is another there than was told; exit code 1 when something is."""
    from services.commands import crm as command

    raise SystemExit(command.diff(name, sample=sample, data=data))


@crm.command("redrive")
def crm_redrive(
    name: Annotated[str, typer.Argument(help="Of the connector.")],
    state: Annotated[str | None, typer.Option(help="Only those: failed, absent, waiting or sent.")] = "failed",
    key: Key = None,
    data: Data = None,
) -> None:
    """Let records be told again, at once and as they stand by now."""
    from services.commands import crm as command

    raise SystemExit(command.redrive(name, state=None if key else state, key=key, data=data))
