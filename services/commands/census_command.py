"""What `tactus drivers` and `tactus journey` are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Place = Annotated[str | None, typer.Option(help="Only what happened at this place: kind/value, such as store/042.")]
Account = Annotated[str | None, typer.Option(help="Only the contacts of this account.")]
Segment = Annotated[str | None, typer.Option(help="Only people of whom this was said last: property:value.")]
Language = Annotated[str, typer.Option("--lang", "--language", help="en or pl.")]
Data = Annotated[Path | None, typer.Option("--data", help="The directory of the stack.")]


def drivers(
    account: Account = None, place: Place = None, segment: Segment = None, language: Language = "en", data: Data = None
) -> None:
    """Show what all customers lost points by in 30 days: by what they weigh, by who can mend it, by touchpoint."""
    from services.commands import census as command

    raise SystemExit(
        command.run_drivers(by={"account": account, "place": place, "segment": segment}, language=language, data=data)
    )


def journey(
    account: Account = None, place: Place = None, segment: Segment = None, language: Language = "en", data: Data = None
) -> None:
    """Show where on the journey all customers lost points in 30 days: stages by channels."""
    from services.commands import census as command

    raise SystemExit(
        command.run_journey(by={"account": account, "place": place, "segment": segment}, language=language, data=data)
    )
