"""`tactus notify …`: reads the line of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Who is notified of alerts: check the routes, test one, see what was told.", no_args_is_help=True
)

Data = Annotated[Path | None, typer.Option("--data", help="The directory of the stack.")]
Routes = Annotated[Path | None, typer.Option("--routes", help="The routes file; else TACTUS_OUTBOUND__ROUTES.")]


@app.command("check")
def notify_check(
    file: Annotated[Path | None, typer.Argument(help="A routes file; else TACTUS_OUTBOUND__ROUTES.")] = None,
) -> None:
    """Check a routes file, and the secrets that it names; nothing is sent."""
    from services.commands import notify as command

    raise SystemExit(command.check(file))


@app.command("test")
def notify_test(
    route: Annotated[str, typer.Argument(help="Its name in the routes file.")],
    routes: Routes = None,
    data: Data = None,
) -> None:
    """Send a made-up alert along a route, marked as a test, end it, and show what the sink answered."""
    from services.commands import notify as command

    raise SystemExit(command.test(route, routes=routes, data=data))


@app.command("status")
def notify_status(routes: Routes = None, data: Data = None) -> None:
    """Show what each route has told within a day, what waits, and which routes somebody must mend."""
    from services.commands import notify as command

    raise SystemExit(command.status(routes=routes, data=data))
