"""`tactus model compare`: two models on everybody, read from the same tallies."""

from __future__ import annotations

import asyncio
import json as json_format
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from services.commands.foreseeing import Foresight, foresee
from services.commands.models import NAME, Chosen, choose
from services.commands.outcomes import Outcome, read_outcomes
from services.commands.reading_people import PeopleReader
from services.commands.stack_settings import stack_settings
from services.commands.telling import INTERRUPTED, say
from services.core.comparison import Comparison
from services.core.instants import HOUR_US
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.errors import TactusError
from services.infra.settings import Settings
from services.state.comparing import People, Somebody
from services.state.pool import Statements, connected

PORTION: Final = 500
"""Persons read together: some ten thousand tallies."""

LINE_EVERY_S: Final = 2.0
"""How often a line tells the progress."""


class Compared(NamedTuple):
    """What there is to say of two models."""

    one: Chosen
    other: Chosen
    people: Comparison
    foresight: Foresight | None


def run(one: str, other: str, *, outcomes: Path | None, json: Path | None, data: Path | None) -> int:
    """Print the comparison; 130 when it was interrupted, which changes nothing."""
    try:
        told = None if outcomes is None else read_outcomes(outcomes)
        compared = asyncio.run(compare(one, other, outcomes=told, settings=stack_settings(data)))
        if json is not None:
            json.write_text(json_format.dumps(figures_of(compared), indent=2) + "\n", encoding="utf-8")
    except KeyboardInterrupt:
        say("tactus model compare: interrupted; nothing was changed")
        return INTERRUPTED
    except TactusError as error:
        say(f"tactus model compare: {error}")
        return 1
    show(compared, Console(highlight=False, markup=False))
    return 0


async def compare(one: str, other: str, *, outcomes: Sequence[Outcome] | None, settings: Settings) -> Compared:
    """Read everybody by both models at the present hour, and whoever has an outcome just before it."""
    catalogue = load_catalogue(settings.catalogue)
    async with connected(settings.postgres.dsn.get_secret_value(), application=NAME) as statements:
        first = await choose(one, statements, catalogue=catalogue)
        second = await choose(other, statements, catalogue=catalogue)
        reader = PeopleReader(statements, (first.catalogue, second.catalogue))
        people = await _everybody(statements, reader)
        foresight = None if outcomes is None else await foresee(statements, reader, outcomes, settings=settings)
    return Compared(first, second, people, foresight)


async def _everybody(statements: Statements, reader: PeopleReader) -> Comparison:
    first, second = (each.bands for each in reader.catalogues)
    comparison, hour = Comparison(first, second), SystemClock().now_us() // HOUR_US
    total, told_s = await People(statements).count(), monotonic()
    async for portion in _portions(People(statements)):
        owners = {one.number: place for place, one in enumerate(portion)}
        one, other = await reader.read(owners, at_hours=[hour] * len(portion))
        comparison.add([somebody.customer for somebody in portion], one, other)
        if monotonic() - told_s >= LINE_EVERY_S:
            say(f"{comparison.persons} of {total} persons compared")
            told_s = monotonic()
    return comparison


async def _portions(people: People) -> AsyncIterator[list[Somebody]]:
    after = 0
    while portion := await people.after(after, limit=PORTION):
        yield portion
        after = portion[-1].number


def figures_of(compared: Compared) -> Mapping[str, object]:
    """All figures, for programs."""
    people, foresight = compared.people, compared.foresight
    models = {
        key: {"name": chosen.name, "version": chosen.catalogue.model_version}
        for key, chosen in (("one", compared.one), ("other", compared.other))
    }
    return {
        **models,
        "persons": people.persons,
        "changed_band": people.changed,
        "points_apart_mean": people.distance / people.persons if people.persons else 0.0,
        "matrix": {
            band: dict(zip(people.bands[1].names, row, strict=True))
            for band, row in zip(people.bands[0].names, people.matrix.tolist(), strict=True)
        },
        "movers": [{"customer": who, "one": one, "other": other} for _, who, one, other in people.movers],
        "outcomes": None if foresight is None else foresight._asdict(),
    }


def show(compared: Compared, console: Console) -> None:
    """Print what a person wants to know of it."""
    people = compared.people
    for key, chosen in (("one", compared.one), ("other", compared.other)):
        sys.stdout.write(f"{key}: {chosen.name}, version {chosen.catalogue.model_version}\n")
    mean = people.distance / people.persons if people.persons else 0.0
    sys.stdout.write(
        f"{people.changed} of {people.persons} persons change band; scores lie {mean:.2f} points apart on average\n"
    )
    console.print(_matrix(people))
    if people.movers:
        console.print(_movers(people))
    if compared.foresight is not None:
        sys.stdout.write("\n".join(compared.foresight.told()) + "\n")


def _matrix(people: Comparison) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("one \\ other")
    for band in people.bands[1].names:
        table.add_column(band, justify="right")
    for band, row in zip(people.bands[0].names, people.matrix.tolist(), strict=True):
        table.add_row(band, *map(str, row))
    return table


def _movers(people: Comparison) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("who moves most", "one", "other", "points"):
        table.add_column(heading, justify="left" if heading.startswith("who") else "right", overflow="fold")
    for _, customer, one, other in people.movers:
        table.add_row(customer, f"{one:.1f}", f"{other:.1f}", f"{other - one:+.1f}")
    return table
