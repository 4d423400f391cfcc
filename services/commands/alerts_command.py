"""`tactus alerts …`: reads the line of its commands."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Alerts: look, work on them, see whether they are right.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option("--data", help="The directory of the stack.")]
One = Annotated[str, typer.Argument(help="The alert's id.")]
Some = Annotated[list[str], typer.Argument(help="The alerts' ids.")]


class Preset(StrEnum):
    """Thresholds that have a name."""

    USUAL = "usual"
    SENSITIVE = "sensitive"


class Outcome(StrEnum):
    """What came of an alert."""

    REAL = "real"
    FALSE = "false"
    KNOWN = "known"


@app.command("list")
def alerts_list(  # noqa: PLR0913, PLR0917 - one for each option of the command
    state: Annotated[str, typer.Option(help="open, closed, withdrawn or all: how the rule sees it.")] = "open",
    work: Annotated[str | None, typer.Option(help="new, acknowledged, snoozed or done: what people did.")] = None,
    severity: Annotated[str | None, typer.Option(help="warning or critical.")] = None,
    rule: Annotated[str | None, typer.Option(help="drop, overdue or bad_answer.")] = None,
    place: Annotated[str | None, typer.Option(help="Among its reasons, kind/value.")] = None,
    touchpoint: Annotated[str | None, typer.Option(help="Among its reasons.")] = None,
    customer: Annotated[str | None, typer.Option(help="Whose, kind:value.")] = None,
    account: Annotated[str | None, typer.Option(help="The account's own.")] = None,
    assigned: Annotated[str | None, typer.Option(help="Who deals with it.")] = None,
    incident: Annotated[str | None, typer.Option(help="The id of an incident.")] = None,
    since: Annotated[str | None, typer.Option(help="Opened then or later, RFC 3339.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Alerts to show.")] = 50,
    data: Data = None,
) -> None:
    """Show alerts, the newest first."""
    from services.commands import alerts as command

    filters = {
        "state": state,
        "work": work,
        "severity": severity,
        "rule": rule,
        "place": place,
        "touchpoint": touchpoint,
        "customer": customer,
        "account": account,
        "assigned": assigned,
        "incident": incident,
        "since": since,
    }
    raise SystemExit(command.list_alerts(filters, limit=limit, data=data))


@app.command("show")
def alerts_show(alert: One, data: Data = None) -> None:
    """Show an alert: its reasons, and who did what about it."""
    from services.commands import alerts as command

    raise SystemExit(command.show(alert, data=data))


@app.command("ack")
def alerts_ack(alerts: Some, data: Data = None) -> None:
    """Say that somebody has seen them."""
    from services.commands import alerts as command

    raise SystemExit(command.change(alerts, "ack", None, data=data))


@app.command("assign")
def alerts_assign(
    alerts: Some,
    to: Annotated[str, typer.Option(help="Who deals with them; empty for nobody.")],
    data: Data = None,
) -> None:
    """Let somebody deal with them."""
    from services.commands import alerts as command

    raise SystemExit(command.change(alerts, "assign", {"to": to or None}, data=data))


@app.command("due")
def alerts_due(
    alerts: Some, at: Annotated[str, typer.Option(help="By when, RFC 3339; empty for any time.")], data: Data = None
) -> None:
    """Say by when they are to be dealt with."""
    from services.commands import alerts as command

    raise SystemExit(command.change(alerts, "due", {"at": at or None}, data=data))


@app.command("note")
def alerts_note(
    alert: One, text: Annotated[str, typer.Argument(help="What is to be remembered.")], data: Data = None
) -> None:
    """Remember something about an alert."""
    from services.commands import alerts as command

    raise SystemExit(command.change([alert], "note", {"text": text}, data=data))


@app.command("snooze")
def alerts_snooze(
    alerts: Some, until: Annotated[str, typer.Option(help="Not before this time, RFC 3339.")], data: Data = None
) -> None:
    """Put them off until later."""
    from services.commands import alerts as command

    raise SystemExit(command.change(alerts, "snooze", {"until": until}, data=data))


@app.command("close")
def alerts_close(
    alerts: Some,
    outcome: Annotated[
        Outcome, typer.Option(help="Was the customer let down? real: yes; false: no; known: yes, and it was known.")
    ],
    note: Annotated[str, typer.Option(help="What came of it.")] = "",
    data: Data = None,
) -> None:
    """Say what came of them."""
    from services.commands import alerts as command

    raise SystemExit(command.change(alerts, "close", {"outcome": outcome.value, "note": note}, data=data))


@app.command("reopen")
def alerts_reopen(alerts: Some, data: Data = None) -> None:
    """Take back that they were dealt with."""
    from services.commands import alerts as command

    raise SystemExit(command.change(alerts, "reopen", None, data=data))


@app.command("report")
def alerts_report(
    days: Annotated[int, typer.Option(min=1, max=400, help="Alerts opened within so many days.")] = 28,
    outcomes: Annotated[
        Path | None, typer.Option(help="CSV of customer,time,bad: how many of the bad ones had an alert before?")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file too.")] = None,
    data: Data = None,
) -> None:
    """Say whether alerts are right: false ones by rule, time to acknowledge, how many, and what they foretold."""
    from services.commands import alerts_report as command

    raise SystemExit(command.run(days=days, outcomes=outcomes, json=json, data=data))


@app.command("backtest")
def alerts_backtest(  # noqa: PLR0913, PLR0917 - one for each option of the command
    begin: Annotated[str, typer.Option("--from", help="The first day or hour, RFC 3339.")],
    end: Annotated[str, typer.Option("--to", help="Until before this day or hour.")],
    preset: Annotated[Preset, typer.Option(help="Thresholds to begin with: 10 points and 2.4, or 5 and 1.2.")] = (
        Preset.USUAL
    ),
    points: Annotated[float | None, typer.Option(min=0.1, max=100, help="So far a score must fall.")] = None,
    evidence: Annotated[float | None, typer.Option(min=0, max=1000, help="So much bad evidence there must be.")] = None,
    model: Annotated[str, typer.Option(help="What scores are read by, as `tactus model compare` takes it.")] = "active",
    outcomes: Annotated[
        Path | None, typer.Option(help="CSV of customer,time,bad: how many alerts were before a bad one?")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file too.")] = None,
    data: Data = None,
) -> None:
    """Say what thresholds would have raised on what is stored; changes nothing."""
    from services.commands import backtesting as command

    options = command.Options(
        begin=begin,
        end=end,
        preset=preset.value,
        points=points,
        evidence=evidence,
        model=model,
        outcomes=outcomes,
        json=json,
        data=data,
    )
    raise SystemExit(command.run(options))
