"""`tactus webhooks …`: reads the line of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

app = typer.Typer(help="Who is told of scores, alerts and incidents over HTTP.", no_args_is_help=True)

TEST_WAIT_S: Final = 20.0
"""A receiver has fifteen seconds, and outbound looks a few times a second."""

Data = Annotated[Path | None, typer.Option("--data", help="The directory of the stack.")]
Webhook = Annotated[str, typer.Argument(help="The webhook's id.")]
Kind = Annotated[list[str] | None, typer.Option(help="Tell it this, such as alert.opened; left out, everything.")]
Band = Annotated[list[str] | None, typer.Option(help="Of scores, those in this band; left out, all.")]
Severity = Annotated[list[str] | None, typer.Option(help="Of alerts, those of this severity; left out, all.")]


@app.command("list")
def webhooks_list(data: Data = None) -> None:
    """Show all webhooks and how they are."""
    from services.commands import webhooks as command

    raise SystemExit(command.list_all(data=data))


@app.command("add")
def webhooks_add(
    url: Annotated[str, typer.Argument(help="Where messages go, https://….")],
    kind: Kind = None,
    band: Band = None,
    severity: Severity = None,
    description: Annotated[str, typer.Option(help="Whose it is.")] = "",
    data: Data = None,
) -> None:
    """Tell an endpoint; prints its id, and its secret this once."""
    from services.commands import webhooks as command

    wanted = {
        "url": url,
        "kinds": kind or [],
        "bands": band or [],
        "severities": severity or [],
        "description": description,
    }
    raise SystemExit(command.add(wanted, data=data))


@app.command("show")
def webhooks_show(webhook: Webhook, data: Data = None) -> None:
    """Show a webhook and what was done to it."""
    from services.commands import webhooks as command

    raise SystemExit(command.show(webhook, data=data))


@app.command("enable")
def webhooks_enable(webhook: Webhook, data: Data = None) -> None:
    """Tell it again, from here on; what still waits goes first."""
    from services.commands import webhooks as command

    raise SystemExit(command.turn(webhook, "enabled", data=data))


@app.command("disable")
def webhooks_disable(webhook: Webhook, data: Data = None) -> None:
    """Tell it no more until it is enabled; what happens meanwhile is not sent."""
    from services.commands import webhooks as command

    raise SystemExit(command.turn(webhook, "disabled", data=data))


@app.command("rotate")
def webhooks_rotate(webhook: Webhook, data: Data = None) -> None:
    """Sign by another secret, printed this once; the former one signs too for a day."""
    from services.commands import webhooks as command

    raise SystemExit(command.rotate(webhook, data=data))


@app.command("test")
def webhooks_test(webhook: Webhook, data: Data = None) -> None:
    """Send it a message, and say what it answers; 0 when it takes it."""
    from services.commands import webhooks as command

    raise SystemExit(command.test(webhook, wait_s=TEST_WAIT_S, data=data))


@app.command("deliveries")
def webhooks_deliveries(
    webhook: Webhook,
    state: Annotated[str | None, typer.Option(help="waiting, delivered, failed or superseded.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Deliveries to show, the newest first.")] = 50,
    data: Data = None,
) -> None:
    """Show what was sent to it, the newest first."""
    from services.commands import webhooks as command

    raise SystemExit(command.deliveries(webhook, state=state, limit=limit, data=data))


@app.command("replay")
def webhooks_replay(
    webhook: Webhook,
    delivery: Annotated[int, typer.Argument(min=1, help="The delivery's number.")],
    data: Data = None,
) -> None:
    """Send a delivery again, under its own id."""
    from services.commands import webhooks as command

    raise SystemExit(command.replay(webhook, delivery, data=data))


@app.command("remove")
def webhooks_remove(webhook: Webhook, data: Data = None) -> None:
    """Tell it no more, and forget what waits for it."""
    from services.commands import webhooks as command

    raise SystemExit(command.remove(webhook, data=data))
