"""`tactus sources list`: how each source is, from what the workers noted of it."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.commands.examine import Stack, stack_to_examine
from services.core.instants import instant_of
from services.core.rhythm import Health
from services.infra.catalogue.reading import load_catalogue
from services.infra.catalogue.undeclared import FOREIGN
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError
from services.infra.near import nearest
from services.infra.sources import Source, load_sources
from services.state.pool import connected
from services.state.source_health import CLOCK_WRONG_MS, SourceHealth, SourceTables, UnknownName, unheard

NAME: Final = "tactus-sources"
"""As the server shows our connection."""

WIDTH_MIN: Final = 110
"""Below this the table cannot be read; a pipe has no width of its own."""

NAMES_TOLD: Final = 10
"""Unknown names told one by one; whoever has more of them mends a sender, not a name."""

NONE: Final = "–"

STYLES: Final = {Health.OK: "green", Health.QUIET: "yellow", Health.SILENT: "bold red", Health.NEVER: "dim"}

HEADINGS: Final = ("source", "kind", "state", "first", "last", "24 h", "usual", "rejected", "unknown", "clock")


class Facts(NamedTuple):
    """What the sources file and the database say."""

    configured: Mapping[str, Source]
    health: Sequence[SourceHealth]
    """Of every configured source, in the file's order, then of those that are not configured any more."""
    names: Sequence[UnknownName]


def run(data: Path | None) -> int:
    """Print the table, and what is wrong below it; 0. Raises TactusError when there is nothing to ask."""
    stack = stack_to_examine(data)
    declared = load_catalogue(stack.catalogue).entries
    now = instant_of(SystemClock().now_us())
    facts = asyncio.run(read_facts(stack, declared=declared, now=now))
    console = Console(width=max(shutil.get_terminal_size().columns, WIDTH_MIN), highlight=False, markup=False)
    console.print(table_of(facts, now=now))
    for line in remarks(facts, declared=declared, now=now):
        console.print(line, soft_wrap=True)
    return 0


async def read_facts(stack: Stack, *, declared: Collection[str], now: datetime) -> Facts:
    """Ask the file and the database."""
    configured = configured_of(stack)
    async with connected(stack.postgres, application=NAME) as statements:
        tables = SourceTables(statements)
        heard = await tables.health(now=now)
        names = await tables.unknown_names(declared=declared)
    by_name = {one.source: one for one in heard}
    mine = [by_name.get(name) or unheard(name) for name in configured]
    return Facts(configured, [*mine, *(one for one in heard if one.source not in configured)], names)


def configured_of(stack: Stack) -> Mapping[str, Source]:
    """The sources of the stack's file; raises ConfigurationError when there is none, or it cannot be used."""
    if stack.sources is None:
        raise ConfigurationError("TACTUS_SOURCES is not set: set it to the sources file, or name a stack with --data")
    return load_sources(stack.sources).configured


def table_of(facts: Facts, *, now: datetime) -> Table:
    """Show one line a source."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in HEADINGS:
        table.add_column(heading, no_wrap=True)
    unknown = Counter[str]()
    for name in facts.names:
        unknown[name.source] += 1
    for one in facts.health:
        source = facts.configured.get(one.source)
        table.add_row(
            one.source,
            NONE if source is None else source.kind,
            Text(one.health, style=STYLES[one.health]),
            NONE if one.first_at is None else f"{one.first_at:%Y-%m-%d}",
            NONE if one.last_at is None else f"{span(now - one.last_at)} ago",
            _events(one),
            NONE if one.expected is None else f"{one.expected:,.0f}",
            _share(one.day.rejected_share),
            str(unknown[one.source] or NONE),
            clock(one, source),
        )
    return table


def remarks(facts: Facts, *, declared: Collection[str], now: datetime) -> Iterator[str]:
    """Say of what is wrong what to do."""
    for one in facts.health:
        if one.source not in facts.configured:
            yield f"{one.source}: is in the sources file no more"
        elif one.health is Health.SILENT and one.last_at is not None:
            yield f"{one.source}: silent for {span(now - one.last_at)}: see docs/runbooks/SourceSilent.md"
        elif one.health is Health.QUIET:
            yield f"{one.source}: sends much less than it usually does: see docs/runbooks/SourceSilent.md"
    for name in facts.names[:NAMES_TOLD]:
        times = "once" if name.events == 1 else f"{name.events:,} times"
        yield f"{name.source}: {name.touchpoint} came {times}{meant(name.touchpoint, declared)}"
    if len(facts.names) > NAMES_TOLD:
        yield f"and {len(facts.names) - NAMES_TOLD} more names are not in the catalogue"


def meant(touchpoint: str, declared: Collection[str]) -> str:
    """Say which declared touchpoint was probably meant, if one looks like it."""
    near = nearest(touchpoint.removeprefix(FOREIGN), declared)
    return "" if near is None else f": did you mean {near}?"


def clock(one: SourceHealth, source: Source | None) -> str:
    """Say how wrong a source's clock is; behind a page's key are as many clocks as visitors."""
    if one.day.clock_ms is None:
        return NONE
    if source is not None and source.kind == "browser":
        return f"{_share(one.day.ahead / one.day.timed)} ahead"
    return clock_words(one.day.clock_ms)


def clock_words(clock_ms: int) -> str:
    """Say what the least between sending and arriving means: ahead for sure, or behind unless all was sent late."""
    if clock_ms < 0:
        return f"{span(timedelta(milliseconds=-clock_ms))} ahead"
    if clock_ms > CLOCK_WRONG_MS:
        return f"{span(timedelta(milliseconds=clock_ms))} late"
    return "right"


def span(length: timedelta) -> str:
    """Write a span in its largest unit."""
    seconds = max(0, round(length.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _events(one: SourceHealth) -> str:
    late = f" + {one.day.late:,} late" if one.day.late else ""
    return f"{one.day.live:,}{late}"


def _share(share: float | None) -> str:
    if share is None:
        return NONE
    return "<1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"  # noqa: PLR2004 - what would be rounded to nothing
