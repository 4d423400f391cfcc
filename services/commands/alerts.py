"""`tactus alerts`: look at alerts and work on them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from services.client.alerts import AlertsClient, Summary, Whole, open_alerts
from services.client.endpoints import find_alerts
from services.commands.telling import INTERRUPTED, say
from services.infra.errors import TactusError

PAGE: Final = 100

NAME: Final = "tactus alerts"


def list_alerts(filters: Mapping[str, str | None], *, limit: int, data: Path | None) -> int:
    """Print alerts, one a line, the newest first; 0 also when there is none."""

    async def act(client: AlertsClient) -> int:
        shown = 0
        parameters = {name: value for name, value in filters.items() if value} | {"limit": str(min(limit, PAGE))}
        async for alert in client.alerts(parameters):
            if shown == limit:
                say(f"there are more: --limit shows more than {limit}")
                break
            shown += 1
            _print(line_of(alert))
        if not shown:
            say("there is no such alert")
        return 0

    return _run(act, data=data)


def show(alert: str, *, data: Path | None) -> int:
    """Print an alert, its reasons and who did what."""

    async def act(client: AlertsClient) -> int:
        _print("\n".join(shown(await client.alert(alert))))
        return 0

    return _run(act, data=data)


def change(alerts: Sequence[str], verb: str, body: Mapping[str, object] | None, *, data: Path | None) -> int:
    """Change the work on alerts, one after another, and print each as it is then."""

    async def act(client: AlertsClient) -> int:
        for alert in alerts:
            _print(line_of(await client.change(alert, verb, body)))
        return 0

    return _run(act, data=data)


def line_of(alert: Summary) -> str:
    """Write an alert in a line: who, how far, why, and what is done about it."""
    why = alert.reasons[0] if alert.reasons else None
    where = f" at {why.place}" if why is not None and why.place else ""
    reason = f"  {why.touchpoint}{where}" if why is not None else ""
    return (
        f"{alert.id}  {alert.opened_at}  {alert.severity}  {alert.rule}  {alert.state}  {_whose(alert)}  "
        f"{alert.score_before:.0f} → {alert.score:.0f}{reason}  {_work(alert)}"
    )


def shown(alert: Whole) -> list[str]:
    """Write an alert for people."""
    incident = [f"incident: {alert.incident}"] if alert.incident else []
    return [
        f"{alert.rule} of {_whose(alert)}, {alert.severity}, {alert.state}, opened {alert.opened_at}",
        f"score: {alert.score_before:.1f} → {alert.score:.1f}",
        *(
            f"  {_points(reason.points)}  {reason.touchpoint}, {reason.channel}"
            + (f", {reason.place}" if reason.place else "")
            for reason in alert.reasons
        ),
        *incident,
        f"work: {_work(alert)}",
        *(
            f"{one.at}  {one.what} by {one.by}" + (f": {one.detail}" if one.detail else "")
            for one in reversed(alert.changes)
        ),
    ]


def _points(points: float) -> str:
    return f"{points:+.1f}".replace("-", "\N{MINUS SIGN}")


def _whose(alert: Summary) -> str:
    return alert.customer or (f"account {alert.account}" if alert.account else "somebody who is gone")


def _work(alert: Summary) -> str:
    work = alert.work
    if work.outcome is not None:
        return f"done: {work.outcome}, by {work.done_by}"
    told = [
        f"with {work.assigned_to}" if work.assigned_to else "",
        f"due {work.due_at}" if work.due_at else "",
        f"snoozed until {work.snoozed_until}" if work.snoozed_until else "",
        f"seen by {work.acknowledged_by}" if work.acknowledged_by else "",
    ]
    return ", ".join(part for part in told if part) or "new"


def _run(act: Callable[[AlertsClient], Awaitable[int]], *, data: Path | None) -> int:
    async def opened() -> int:
        endpoint = find_alerts(data)
        async with open_alerts(url=endpoint.url, key=endpoint.key) as client:
            return await act(client)

    try:
        return asyncio.run(opened())
    except KeyboardInterrupt:
        say(f"{NAME}: interrupted; the same command may be run again")
        return INTERRUPTED
    except TactusError as error:
        say(f"{NAME}: {error}")
        return 1


def _print(text: str) -> None:
    # A terminal must not obey what a stranger sent.
    plain = "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text)
    sys.stdout.write(f"{plain}\n")
    sys.stdout.flush()
