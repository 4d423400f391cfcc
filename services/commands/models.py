"""`tactus model check|show|list`: models as files and as the database keeps them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from services.commands.stack_settings import stack_settings
from services.core.catalogue import Catalogue, Parameters
from services.core.weighing import UNSTRETCHED
from services.infra.catalogue.model_file import read_model
from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import ConfigurationError, TactusError
from services.infra.near import nearest
from services.infra.settings import Settings, read_settings
from services.state.models import KnownModel, ModelTable
from services.state.pool import Statements, connected

NAME: Final = "tactus-model"
"""As the server shows our connections."""

ACTIVE: Final = "active"
CATALOGUE: Final = "catalogue"

KNOWN_MAX: Final = 1000
"""Models looked through, the newest first: one a day for three years."""

VERSION_CHARS_MIN: Final = 4
"""So much of a version tells it from the others, and from a file that is not there."""


class Chosen(NamedTuple):
    """A model that a command line names."""

    name: str
    catalogue: Catalogue
    """The catalogue, weighed by it."""
    document: str | None = None
    """Its file, whole."""


def check(file: Path) -> int:
    """Say whether a model's file is in order."""
    try:
        catalogue = load_catalogue(read_settings().catalogue)
        model = read_model(file, catalogue=catalogue)
    except TactusError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    changes = sum(1 for _ in differences(catalogue, model.catalogue))
    sys.stdout.write(
        f"{model.name}, version {model.version}: in order; {changes} numbers differ from the catalogue's\n"
    )
    return 0


def show(what: str, *, data: Path | None) -> int:
    """Print a model."""
    try:
        settings = stack_settings(data)
        chosen = asyncio.run(_chosen(what, settings))
        own = load_catalogue(settings.catalogue)
    except TactusError as error:
        sys.stderr.write(f"tactus model show: {error}\n")
        return 1
    sys.stdout.write(f"model {chosen.name}, version {chosen.catalogue.model_version}\n")
    if chosen.document:
        sys.stdout.write("".join(f"  {line}\n" for line in chosen.document.splitlines()))
    table = Table(box=None, pad_edge=False)
    for heading in ("", "here", "catalogue"):
        table.add_column(heading, overflow="fold")
    for row in differences(own, chosen.catalogue):
        table.add_row(*row)
    if table.row_count:
        Console(highlight=False, markup=False).print(table)
    else:
        sys.stdout.write("it weighs as the catalogue does\n")
    return 0


def list_models(*, data: Path | None) -> int:
    """Print the models that the database knows."""
    try:
        known = asyncio.run(_known(stack_settings(data)))
    except TactusError as error:
        sys.stderr.write(f"tactus model list: {error}\n")
        return 1
    table = Table(box=None, pad_edge=False)
    for heading in ("", "version", "name", "first used", "last activated"):
        table.add_column(heading, overflow="fold")
    for one in known:
        activated = f"{one.activated_at:%Y-%m-%d %H:%M}" if one.activated_at else ""
        first = f"{one.first_used_at:%Y-%m-%d %H:%M}"
        table.add_row("active" if one.active else "", one.version, one.name or CATALOGUE, first, activated)
    Console(highlight=False, markup=False).print(table)
    return 0


def differences(before: Catalogue, after: Catalogue) -> Iterable[tuple[str, str, str]]:
    """Every number of a model that differs from another's: its name, and what it is in the second and in the first."""
    for field in fields(Parameters):
        mine, its = getattr(after.parameters, field.name), getattr(before.parameters, field.name)
        if mine != its:
            yield field.name.rstrip("_"), f"{mine:g}", f"{its:g}"
    for name in dict.fromkeys((*before.entries, *after.entries)):
        mine, its = after.entry(name).weight, before.entry(name).weight
        if mine != its:
            yield f"weight of {name}", f"{mine:g}", f"{its:g}"
        mine_, its_ = after.stretches.get(name, UNSTRETCHED), before.stretches.get(name, UNSTRETCHED)
        for side, left, right in (("good", mine_.good, its_.good), ("bad", mine_.bad, its_.bad)):
            if left != right:
                yield f"{side} valence of {name}", f"× {left:g}", f"× {right:g}"
    yield from _beside_weights(before, after)


def _beside_weights(before: Catalogue, after: Catalogue) -> Iterable[tuple[str, str, str]]:
    if after.calibration != before.calibration:
        knots = [f"{len(one.scores)} knots" if one else "none" for one in (after.calibration, before.calibration)]
        yield "calibration", knots[0], knots[1]
    if after.place_past != before.place_past:
        yield "place_past", f"{after.place_past:g}", f"{before.place_past:g}"
    if after.bands != before.bands:
        mine, its = (
            ", ".join(f"{name} {start:g}" for name, start in one.bands.begins.items()) for one in (after, before)
        )
        yield "bands", mine, its


async def choose(what: str, statements: Statements, *, catalogue: Catalogue) -> Chosen:
    """Find the model that is meant; raises ConfigurationError that says what there is."""
    if what == CATALOGUE:
        return Chosen(CATALOGUE, catalogue)
    table = ModelTable(statements)
    if what == ACTIVE:
        in_use = await table.in_use()
        if in_use is None:
            raise ConfigurationError("no model is active: nothing has been scored yet; start a worker")
        known = [one for one in await table.known(limit=KNOWN_MAX) if one.number == in_use.active]
        return await _stored(table, known[0], catalogue=catalogue)
    if _names_file(what):
        model = read_model(Path(what), catalogue=catalogue)
        return Chosen(model.name, model.catalogue, model.text)
    known = await table.known(limit=KNOWN_MAX)
    matching = [one for one in known if one.version.startswith(what)] if len(what) >= VERSION_CHARS_MIN else []
    if len(matching) == 1:
        return await _stored(table, matching[0], catalogue=catalogue)
    if matching:
        raise ConfigurationError(
            f"{what} begins {len(matching)} versions: write more of it, as `tactus model list` shows"
        )
    near = nearest(what, [one.version for one in known])
    hint = f"did you mean {near}? " if near else ""
    raise ConfigurationError(f"{what} is neither a file nor a model's version; {hint}`tactus model list` shows them")


def _names_file(what: str) -> bool:
    return what.endswith((".yaml", ".yml")) or Path(what).is_file()


async def _stored(table: ModelTable, known: KnownModel, *, catalogue: Catalogue) -> Chosen:
    weighed = catalogue.weighed_by(await table.weighing(known.number))
    return Chosen(known.name or CATALOGUE, weighed, known.document)


async def _chosen(what: str, settings: Settings) -> Chosen:
    catalogue = load_catalogue(settings.catalogue)
    async with connected(settings.postgres.dsn.get_secret_value(), application=NAME) as statements:
        return await choose(what, statements, catalogue=catalogue)


async def _known(settings: Settings) -> list[KnownModel]:
    async with connected(settings.postgres.dsn.get_secret_value(), application=NAME) as statements:
        return await ModelTable(statements).known(limit=KNOWN_MAX)
