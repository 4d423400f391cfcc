"""`tactus model activate|status`: let a model take over, and tell how far it is."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Final, NamedTuple

from services.commands.models import CATALOGUE, NAME, Chosen, choose
from services.commands.stack_settings import stack_settings
from services.commands.telling import INTERRUPTED, say
from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import ConfigurationError, TactusError
from services.infra.settings import Settings
from services.state.activation import ActivationTable, Status, Writer, take_over
from services.state.database import WORKER_APPLICATION
from services.state.models import InUse, ModelTable
from services.state.pool import Statements, connected
from services.state.renaming import workers_connected

LOOK_S: Final = 1.0
"""How often it looks how far it is; a question takes under a millisecond."""

LINE_EVERY_S: Final = 5.0
"""How often a line tells the progress."""


class Standing(NamedTuple):
    """What there is to tell."""

    active: str
    """The version that is read."""
    name: str
    status: Status | None
    """The last activation."""
    workers: int
    waits_for: Writer | None
    """Whose transaction began before the activation, while it waits for such."""


def activate(what: str, *, wait: bool, data: Path | None) -> int:
    """Begin, and tell how far it is until it is done; 130 when told to stop telling."""
    try:
        return asyncio.run(_activate(what, stack_settings(data), wait=wait))
    except KeyboardInterrupt:
        say("tactus model activate: it goes on in the background; `tactus model status` shows how far it is")
        return INTERRUPTED
    except TactusError as error:
        say(f"tactus model activate: {error}")
        return 1


def status(*, data: Path | None) -> int:
    """Print what is active and what takes over."""
    try:
        standing = asyncio.run(_standing_of(stack_settings(data)))
    except TactusError as error:
        say(f"tactus model status: {error}")
        return 1
    sys.stdout.write("\n".join(told(standing)) + "\n")
    return 0


def told(standing: Standing) -> list[str]:
    """Say how it stands, a line for each thing."""
    lines = [f"active: {standing.active} ({standing.name})"]
    last = standing.status
    if last is None or not last.under_way:
        return lines
    lines.append(f"takes over: {last.version} ({last.name or CATALOGUE}), since {last.begun_at:%Y-%m-%d %H:%M:%S} UTC")
    if not standing.workers:
        lines.append("no worker is connected: it goes on when one runs (`tactus aggregator`)")
    elif not last.known:
        lines.append("no worker has taken it up yet")
    elif not last.begun:
        writer = standing.waits_for
        whom = f"; the oldest is of {writer.application or 'a client'}, pid {writer.pid}" if writer else ""
        lines.append(f"waits for transactions that began before it{whom}: docs/runbooks/ModelActivationStuck.md")
    else:
        total = max(last.total or 0, 1)
        done = min(last.done, total)
        lines.append(f"{done} of {last.total or 0} persons written ({100 * done // total} %)")
    return lines


async def _activate(what: str, settings: Settings, *, wait: bool) -> int:
    catalogue = load_catalogue(settings.catalogue)
    async with connected(settings.postgres.dsn.get_secret_value(), application=NAME) as statements:
        chosen = await choose(what, statements, catalogue=catalogue)
        before = await begin(statements, chosen)
        version = chosen.catalogue.model_version
        if before is None:
            sys.stdout.write(f"active: {version} ({chosen.name}); nothing was scored before\n")
            return 0
        if (await _standing(statements)).active == version:
            sys.stdout.write(f"active already: {version} ({chosen.name})\n")
            return 0
        return await _follow(statements, version) if wait else _left(version)


async def begin(statements: Statements, chosen: Chosen) -> InUse | None:
    """Keep the model and let it take over; returns what was in use."""
    models = ModelTable(statements)
    number = await models.keep(chosen.catalogue.weighing)
    if chosen.document is not None:
        await models.name(number, name=chosen.name, document=chosen.document)
    return await take_over(statements, number)


def _left(version: str) -> int:
    sys.stdout.write(f"takes over: {version}; `tactus model status` shows how far it is\n")
    return 0


async def _follow(statements: Statements, version: str) -> int:
    since_s = 0.0
    while True:
        standing = await _standing(statements)
        if standing.active == version:
            sys.stdout.write(f"active: {version} ({standing.name})\n")
            return 0
        last = standing.status
        if last is None or last.version != version or not last.under_way:
            raise ConfigurationError("another model was activated meanwhile; `tactus model list` shows which")
        if since_s % LINE_EVERY_S == 0:
            say(told(standing)[-1])
        await asyncio.sleep(LOOK_S)
        since_s += LOOK_S


async def _standing_of(settings: Settings) -> Standing:
    async with connected(settings.postgres.dsn.get_secret_value(), application=NAME) as statements:
        return await _standing(statements)


async def _standing(statements: Statements) -> Standing:
    active = await ModelTable(statements).active()
    if active is None:
        raise ConfigurationError("no model is active: nothing has been scored yet; start a worker")
    activations = ActivationTable(statements)
    last = next(iter(await activations.status(limit=1)), None)
    waiting = last is not None and last.under_way and not last.begun
    return Standing(
        active.version,
        active.name or CATALOGUE,
        last,
        await workers_connected(statements, application=WORKER_APPLICATION),
        await activations.oldest_writer() if waiting else None,
    )
