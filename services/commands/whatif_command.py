"""What `tactus whatif` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def whatif(  # noqa: PLR0913, PLR0917 - one for each option of the command
    customer: Annotated[str, typer.Argument(help="kind:value, or the bare id of a customer.")],
    weight: Annotated[list[str] | None, typer.Option(help="TOUCHPOINT=WEIGHT, any number.")] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(help="NAME=NUMBER: lambda, beta, kappa, prior, cap, half_life_days, or a role's factor_…."),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="'SOURCE ID'", help="As if it had never happened; any number.")
    ] = None,
    changed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'SOURCE ID HOW'",
            help="As if it had felt otherwise: HOW is valence=0.3, stake=2, or both by a comma.",
        ),
    ] = None,
    at: Annotated[str | None, typer.Option(help="Any past time, RFC 3339.")] = None,
    language: Annotated[str, typer.Option("--lang", "--language", help="en or pl.")] = "en",
    data: Annotated[Path | None, typer.Option("--data", help="The directory of the stack.")] = None,
) -> None:
    """Show what a customer's score would be by other numbers, without an event, or had one felt otherwise."""
    from services.commands import whatif as command

    asked = command.Asked(
        customer=customer,
        weights=weight or (),
        parameters=parameter or (),
        without=without or (),
        changed=changed or (),
        at=at,
    )
    raise SystemExit(command.run(asked, language=language, data=data))
