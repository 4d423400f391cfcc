"""`tactus notify check|test|status`: the routes of notifications, for whoever sets them up and looks after them."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from rich.console import Console
from rich.table import Table

from services.commands.stack_settings import stack_settings
from services.commands.telling import say
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError, TactusError
from services.infra.settings import Settings, read_settings
from services.outbound.notify.composing import texts_of
from services.outbound.notify.message import Texts, message_of
from services.outbound.notify.routes import Route, Routes
from services.outbound.notify.routes_file import load_routes
from services.outbound.notify.sending import now_of
from services.outbound.notify.sink import Later, Off, Outcome, Refused, Told
from services.outbound.notify.sinks_of_routes import new_client, sink_of
from services.outbound.notify.steps import AlertStep, Reason, StepName
from services.state.notifications import Figure, NotificationTable
from services.state.pool import connected

NAME: Final = "tactus-notify"
"""As the server shows our connection."""

DAY: Final = timedelta(days=1)

STATES: Final = ("waiting", "sent", "failed", "suppressed")


def check(file: Path | None) -> int:
    """Print what a routes file holds; 1 with the line and the fix when something is wrong with it."""
    try:
        path = _path(file, read_settings())
        routes = load_routes(path)
    except TactusError as error:
        say(f"tactus notify check: {error}")
        return 1
    sinks = Counter(route.row.sink for route in routes.by_name.values())
    counted = ", ".join(f"{n} by {sink}" for sink, n in sorted(sinks.items()))
    print(f"{path}: {len(routes.by_name)} routes ({counted or 'none'}): in order")  # noqa: T201 - the answer
    return 0


def test(name: str, *, routes: Path | None, data: Path | None) -> int:
    """Send a test alert along a route and end it; 1 when the sink did not take it."""
    try:
        settings = read_settings()
        route = _route(load_routes(_path(routes, settings)), name)
        outcomes = asyncio.run(_try(route, texts_of(settings)))
    except TactusError as error:
        say(f"tactus notify test: {error}")
        return 1
    for step, outcome in outcomes.items():
        print(f"{name} ({route.row.sink}), {step}: {_said(outcome)}")  # noqa: T201 - the answer
    if not all(isinstance(outcome, Told) for outcome in outcomes.values()):
        return 1
    # A route that was off works again. Whoever tests a file without a database has nothing to switch on.
    with suppress(TactusError):
        asyncio.run(_allow(stack_settings(data), name))
    return 0


def status(*, routes: Path | None, data: Path | None) -> int:
    """Print a line a route; 1 when somebody must mend one."""
    try:
        settings = stack_settings(data)
        known = load_routes(routes or settings.outbound.routes)
        figures, off = asyncio.run(_figures(settings))
    except TactusError as error:
        say(f"tactus notify status: {error}")
        return 1
    names = sorted({*known.by_name, *off, *(one.route for one in figures)})
    Console().print(_table(names, known, figures, off))
    return 1 if off.keys() & known.by_name.keys() else 0


def _path(file: Path | None, settings: Settings) -> Path:
    path = file or settings.outbound.routes
    if path is None:
        raise ConfigurationError("no routes file: name one, or set TACTUS_OUTBOUND__ROUTES")
    return path


def _route(routes: Routes, name: str) -> Route:
    route = routes.by_name.get(name)
    if route is None:
        raise ConfigurationError(f"there is no route {name}: name one of {', '.join(routes.by_name) or 'none'}")
    return route


async def _try(route: Route, texts: Texts) -> dict[StepName, Outcome]:
    """Open and end a made-up alert; what was not taken is not ended."""
    about, now = uuid4(), now_of(SystemClock())
    async with new_client() as client:
        sink = sink_of(route, client, clock=SystemClock())
        opened = await sink.tell(message_of(_made_up(about, "opened", now), route=route, revision=1, texts=texts), {})
        if not isinstance(opened, Told):
            return {"opened": opened}
        await asyncio.sleep(sink.pause_s)
        ended = message_of(_made_up(about, "closed", now), route=route, revision=2, texts=texts)
        return {"opened": opened, "closed": await sink.tell(ended, opened.reference)}


def _made_up(about: UUID, state: StepName, now: datetime) -> AlertStep:
    return AlertStep(
        alert=about,
        rule="test",
        severity="warning",
        state=state,
        opened_at=now,
        changed_at=now,
        score_before=71.0,
        score=38.0 if state == "opened" else 66.0,
        reasons=(
            Reason("delivery.promise_missed", -21.0, "delivery"),
            Reason("call.abandoned", -8.0, "contact_centre"),
        ),
        customer="customer:test",
        test=True,
    )


def _said(outcome: Outcome) -> str:
    match outcome:
        case Told():
            return "taken"
        case Later(because):
            return f"not now: {because}; outbound would try again"
        case Refused(because):
            return f"refused: {because}"
        case Off(because):
            return f"refused for good: {because}; mend the route's row or its secret"


async def _allow(settings: Settings, name: str) -> None:
    async with connected(settings.postgres.dsn.get_secret_value(), application=NAME) as say_:
        await NotificationTable(say_).allow(name)


async def _figures(settings: Settings) -> tuple[list[Figure], dict[str, str]]:
    async with connected(settings.postgres.dsn.get_secret_value(), application=NAME) as say_:
        table = NotificationTable(say_)
        return await table.figures(after=now_of(SystemClock()) - DAY), await table.off()


def _table(names: list[str], routes: Routes, figures: list[Figure], off: dict[str, str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("route", "sink", *STATES, "oldest", "state"):
        table.add_column(heading, overflow="fold")
    found = {(one.route, one.state): one for one in figures}
    now = now_of(SystemClock())
    for name in names:
        route = routes.by_name.get(name)
        waiting = found.get((name, "waiting"))
        age = f"{max(0, (now - waiting.oldest).total_seconds()):.0f} s" if waiting else "–"
        counts = [str(found[name, state].n) if (name, state) in found else "0" for state in STATES]
        standing = f"off: {off[name]}" if name in off else _standing(route, waiting)
        table.add_row(name, route.row.sink if route else "–", *counts, age, standing)
    return table


def _standing(route: Route | None, waiting: Figure | None) -> str:
    if route is None:
        return "not in the file"
    return f"on; {waiting.because}" if waiting and waiting.because else "on"
