"""What CRM systems were told: look, compare, tell again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import typer

from services.commands.stack_settings import stack_settings
from services.core.instants import instant_of, write_instant
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError
from services.infra.settings import Settings
from services.outbound.crm.configuration import ConnectorTable, load_connectors
from services.outbound.crm.contract import Trouble
from services.outbound.crm_systems import Spoken, connect, parts_of
from services.state.crm import LastResult
from services.state.database import ReadDatabase
from services.state.outbound import OutboundDatabase

NOBODY: Final = "tactus-check"
"""A key that no record has: asking for it shows whether asking is allowed."""

SECONDS_A_DAY: Final = 86_400
STATES: Final = frozenset({"waiting", "sent", "absent", "failed"})


class Desk(NamedTuple):
    """What the commands work with."""

    database: OutboundDatabase
    tables: tuple[ConnectorTable, ...]
    speak: Callable[[ConnectorTable], Spoken]
    now: datetime


Work = Callable[[Desk], Awaitable[int]]


def check(data: Path | None) -> int:
    """Ask each system whether it lets us in."""
    return _run(data, None, _check)


def status(name: str | None, *, state: str | None, key: str | None, limit: int, data: Path | None) -> int:
    """Show how each system stands."""
    _known(state)
    return _run(data, name, lambda desk: _status(desk, state=state, key=key, limit=limit))


def diff(name: str | None, *, sample: int, data: Path | None) -> int:
    """Read records back and compare."""
    return _run(data, name, lambda desk: _diff(desk, sample=sample))


def redrive(name: str, *, state: str | None, key: str | None, data: Path | None) -> int:
    """Let records be told again."""
    _known(state)
    return _run(data, name, lambda desk: _redrive(desk, state=state, key=key))


def _run(data: Path | None, name: str | None, work: Work) -> int:
    settings = stack_settings(data)
    tables = tuple(load_connectors(settings.outbound.crm).connector)
    if not tables:
        raise ConfigurationError("there are no connectors: set TACTUS_OUTBOUND__CRM to their file (docs/how-to/crm.md)")
    chosen = tuple(table for table in tables if name in {None, table.name})
    if not chosen:
        raise ConfigurationError(
            f"there is no connector {name!r}; write one of {', '.join(one.name for one in tables)}"
        )

    async def work_at_desk() -> int:
        async with _desk(settings, chosen) as desk:
            return await work(desk)

    return asyncio.run(work_at_desk())


@asynccontextmanager
async def _desk(settings: Settings, tables: tuple[ConnectorTable, ...]) -> AsyncIterator[Desk]:
    clock = SystemClock()
    database = OutboundDatabase(settings.postgres, application="tactus-crm")
    reading = ReadDatabase(settings.postgres, application="tactus-crm")
    parts = parts_of(settings, database, reading, clock)
    await database.open()
    try:
        yield Desk(database, tables, lambda table: connect(table, parts), instant_of(clock.now_us()))
    finally:
        await parts.client.aclose()
        await database.close()


async def _check(desk: Desk) -> int:
    bad = 0
    for table in desk.tables:
        said = await _read(desk.speak(table), [NOBODY])
        bad += isinstance(said, Trouble)
        words = f"{said.kind}: {said.words}" if isinstance(said, Trouble) else "lets us in"
        typer.echo(f"{table.name} ({table.system}): {words}")
    return int(bad > 0)


async def _status(desk: Desk, *, state: str | None, key: str | None, limit: int) -> int:
    for table in desk.tables:
        spoken = desk.speak(table)
        left = await spoken.meter.left_today()
        async with desk.database.transaction() as transaction:
            counts = await transaction.crm.counts(table.name, now=desk.now)
            standing = await transaction.crm.connector(table.name)
            results = await transaction.crm.results(table.name, state=state, key=key, limit=limit)
        typer.echo(f"{table.name} ({table.system})")
        by_state = ", ".join(f"{one.records} {one.state}" for one in counts) or "none yet"
        waiting = sum(one.waiting for one in counts)
        typer.echo(f"  records: {by_state}; {waiting} to be told")
        typer.echo(f"  calls left today: {left} of {table.limits.day_calls}")
        _say_age(table, spoken)
        if standing is not None and standing.trouble is not None:
            since = write_instant(standing.trouble_since) if standing.trouble_since else ""
            typer.echo(f"  takes nothing since {since}: {standing.trouble}")
        for one in results:
            typer.echo(f"  {_result_line(one)}")
    return 0


def _say_age(table: ConnectorTable, spoken: Spoken) -> None:
    age_s = spoken.credential.age_s()
    if age_s is None or table.oauth is not None:
        return
    days = int(age_s // SECONDS_A_DAY)
    of = f" of {table.secret_days}" if table.secret_days else ""
    typer.echo(f"  secret: {days}{of} days old")


def _result_line(one: LastResult) -> str:
    when = write_instant(one.answered_at) if one.answered_at else "not told yet"
    wish = "" if one.wish == "score" else f" ({one.wish})"
    words = f": {one.words}" if one.words else ""
    return f"{one.key}{wish} {one.state} {when}{words}"


async def _diff(desk: Desk, *, sample: int) -> int:
    differing = 0
    for table in desk.tables:
        async with desk.database.transaction() as transaction:
            told = await transaction.crm.sample(table.name, limit=sample)
        read = await _read(desk.speak(table), [one.key for one in told]) if told else {}
        if isinstance(read, Trouble):
            raise ConfigurationError(f"{table.name} does not let us read: {read.words}")
        bad = 0
        for one in told:
            lines = differences(json.loads(one.sent), read.get(one.key))
            bad += bool(lines)
            for line in lines:
                typer.echo(f"{table.name} {one.key}: {line}")
        typer.echo(f"{table.name}: {len(told)} read back, {bad} differ")
        differing += bad
    return int(differing > 0)


async def _redrive(desk: Desk, *, state: str | None, key: str | None) -> int:
    [table] = desk.tables
    async with desk.database.transaction() as transaction:
        count = await transaction.crm.redrive(table.name, state=state, key=key, now=desk.now)
    typer.echo(f"{table.name}: {count} to be told again")
    return 0


async def _read(spoken: Spoken, keys: list[str]) -> Mapping[str, Mapping[str, Any]] | Trouble:
    """Read; after a no for want of rights once more."""
    said = await spoken.connector.read(keys)
    if isinstance(said, Trouble) and said.kind == "unauthorised":
        return await spoken.connector.renew() or await spoken.connector.read(keys)
    return said


def differences(sent: Mapping[str, Any], there: Mapping[str, Any] | None) -> list[str]:
    """Name the fields that hold something else than was told."""
    if there is None:
        return ["is not there any more"]
    return [
        f"{name} is {there.get(name)!r} and was told {value!r}"
        for name, value in sent.items()
        if _plain(value) != _plain(there.get(name))
    ]


def _plain(value: object) -> object:
    """Bring a value to one form: systems keep numbers as text, and nothing in several ways."""
    if value is None or value is False or value == "":
        return ""
    try:
        return round(float(str(value)), 6)
    except ValueError:
        return str(value)


def _known(state: str | None) -> None:
    if state is not None and state not in STATES:
        raise ConfigurationError(f"there is no state {state!r}; write one of {', '.join(sorted(STATES))}")
