"""`tactus rebuild`: judge all stored events anew beside the work, compare, and let the result be read."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from services.aggregator.rebuilding.building import Rebuilding
from services.aggregator.rebuilding.judging import Judge
from services.commands.stack_settings import stack_settings
from services.commands.telling import INTERRUPTED, say
from services.core.classes import Rules
from services.core.tallies import HOURS_KEPT
from services.infra.catalogue.reading import CATALOGUE_FILE, load_catalogue
from services.infra.classes.reading import CLASSES_FILE, read_classes
from services.infra.classes.staffed import rules_for
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError, TactusError
from services.infra.pseudonyms import hash_key
from services.infra.settings import Settings
from services.infra.sources import load_sources
from services.state.activation import ActivationTable
from services.state.database import WORKER_APPLICATION
from services.state.pool import Statements, connected
from services.state.rebuilding import Comparison, Progress, RebuildTable
from services.state.renaming import workers_connected

NAME: Final = "tactus-rebuild"
"""As the server shows our connections."""

LINE_EVERY_S: Final = 2.0
"""How often a line tells the progress."""

ROOM_SHARE: Final = 1.5
"""The sums once more, and what changes of events; the room of the former ones is free again after the swap."""

LOCAL: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})
"""Hosts whose disk this process sees."""


class Law(NamedTuple):
    """What judges: a catalogue and rules, and their hash."""

    judge: Judge
    judged_by: str


def run(*, shadow: bool, data: Path | None) -> int:
    """Begin or go on; 130 when told to stop."""
    try:
        return asyncio.run(_rebuild(stack_settings(data), shadow=shadow))
    except KeyboardInterrupt:
        say(
            "tactus rebuild: stopped; nothing that is read has changed. `tactus rebuild` goes on, `tactus rebuild drop` gives it up"
        )
        return INTERRUPTED
    except TactusError as error:
        say(f"tactus rebuild: {error}")
        return 1


def status(*, data: Path | None) -> int:
    """Print how far the last one is."""
    try:
        lines = asyncio.run(_status(stack_settings(data)))
    except TactusError as error:
        say(f"tactus rebuild status: {error}")
        return 1
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def drop(*, data: Path | None) -> int:
    """Give it up."""
    try:
        asyncio.run(_drop(stack_settings(data)))
    except TactusError as error:
        say(f"tactus rebuild drop: {error}")
        return 1
    sys.stdout.write("dropped: what is read is what it was\n")
    return 0


def law_of(settings: Settings) -> Law:
    """Read today's catalogue, rules on classes, and staff; raises ConfigurationError."""
    classes = read_classes(settings.classes)
    if settings.sources is None:
        raise ConfigurationError(
            "set TACTUS_SOURCES to the file that ingest reads: without it, what the sources' staff do would count as customers'"
        )
    sources = load_sources(settings.sources)
    # Without staff there is nothing to hash, and the key may be somewhere else.
    secret = hash_key(settings.hash_key) if sources.with_staff else b""
    rules = rules_for(classes, sources, hash_key=secret)
    files = (CATALOGUE_FILE, settings.catalogue, CLASSES_FILE, settings.classes)
    parts = [b"" if one is None else one.read_bytes() for one in files]
    digest = hashlib.sha256(b"\0".join([*parts, _staff(rules)])).hexdigest()[:12]
    return Law(Judge(load_catalogue(settings.catalogue), rules), digest)


def _staff(rules: Rules) -> bytes:
    return repr(sorted((source, sorted(names)) for source, names in rules.staff.items())).encode()


@asynccontextmanager
async def _claimed(settings: Settings) -> AsyncIterator[tuple[Statements, RebuildTable]]:
    dsn = settings.postgres.dsn.get_secret_value()
    async with connected(dsn, application=NAME) as statements:
        table = RebuildTable(statements)
        await table.claim()
        yield statements, table


async def _rebuild(settings: Settings, *, shadow: bool) -> int:
    law = law_of(settings)
    dsn = settings.postgres.dsn.get_secret_value()
    async with _claimed(settings) as (statements, table), connected(dsn, application=NAME) as names:
        await _begin_or_go_on(table, law, host=urlsplit(dsn).hostname or "")
        rebuilding = Rebuilding(statements, names, law.judge)
        await rebuilding.build(_Teller())
        now_hour = SystemClock().now_us() // 3_600_000_000
        sys.stdout.write("\n".join(compared(await table.compare(since_hour=now_hour - HOURS_KEPT))) + "\n")
        if shadow:
            sys.stdout.write("not swapped; `tactus rebuild` goes on and swaps, `tactus rebuild drop` gives it up\n")
            return 0
        await rebuilding.swap()
        sys.stdout.write("swapped: everybody reads what was judged anew\n")
        await _follow_scores(statements)
    return 0


async def _begin_or_go_on(table: RebuildTable, law: Law, *, host: str) -> None:
    last = await table.last()
    if last is None or not last.under_way:
        await _check_room(table, host=host)
        await table.begin(law.judged_by)
        say("a rebuild begins; it may be stopped at any time, and `tactus rebuild` goes on")
    elif last.judged_by != law.judged_by:
        raise ConfigurationError(
            "a rebuild by another catalogue or other rules is under way: give it up by `tactus rebuild drop`, or name its "
            "files again (TACTUS_CATALOGUE, TACTUS_CLASSES, the staff in TACTUS_SOURCES)"
        )
    else:
        say("goes on where it was stopped")


async def _check_room(table: RebuildTable, *, host: str) -> None:
    """Raise ConfigurationError when the server's disk has surely no room; where we cannot see it, say what is needed."""
    size, words = await table.room()
    folder = await table.folder() if host in LOCAL else None
    free = None if folder is None else _free_bytes(folder)
    if free is None:
        say(
            f"the sums take {words}; the server needs half again as much room beside them, which cannot be seen from here"
        )
    elif free < ROOM_SHARE * size:
        raise ConfigurationError(
            f"the sums take {words} and need {int(ROOM_SHARE * size) >> 20} MiB beside them, but the server's disk has "
            f"{free >> 20} MiB free: make room"
        )


def _free_bytes(folder: str) -> int | None:
    return shutil.disk_usage(folder).free if Path(folder).is_dir() else None


class _Teller:
    """Tells the progress and its rate, a line now and then."""

    def __init__(self) -> None:
        self._began_s = self._told_s = time.monotonic()
        self._events: int | None = None

    def __call__(self, progress: Progress) -> None:
        now_s = time.monotonic()
        if self._events is None:
            self._events = progress.events
        if now_s - self._told_s < LINE_EVERY_S:
            return
        self._told_s = now_s
        rate = (progress.events - self._events) / (now_s - self._began_s)
        say(f"{told(progress)}, {rate:.0f} events/s")


def told(progress: Progress) -> str:
    """Say how far one is."""
    total = max(progress.total, progress.events, 1)
    return f"{progress.events} of about {total} events judged ({100 * progress.events // total} %), {progress.changed} in another way"


def compared(comparison: Comparison) -> Iterable[str]:
    """Say what a swap changes."""
    yield f"{comparison.sums} sums of {comparison.persons} persons differ"
    if comparison.events_before != comparison.events_after:
        yield (
            f"the sums in use hold {comparison.events_before} events of 400 days, the rows {comparison.events_after}: "
            "the swap mends that"
        )
    if comparison.facts_before != comparison.facts_after:
        yield f"{comparison.facts_before} facts of promises and the like become {comparison.facts_after}"
    for one in comparison.touchpoints:
        yield f"  {one.touchpoint}: {one.events} events, {one.before:+.3f} → {one.after:+.3f} each"


async def _follow_scores(statements: Statements) -> None:
    """Tell how far the stored scores are that are written anew."""
    if not await workers_connected(statements, application=WORKER_APPLICATION):
        sys.stdout.write(
            "stored scores are written anew when a worker runs; `tactus model status` shows how far they are\n"
        )
        return
    activations = ActivationTable(statements)
    told_s = 0.0
    while last := next((one for one in await activations.status(limit=1) if one.under_way), None):
        if time.monotonic() - told_s >= LINE_EVERY_S:
            told_s = time.monotonic()
            say(f"stored scores: {last.done} of {last.total or 0} persons written anew")
        await asyncio.sleep(0.2)
    sys.stdout.write("stored scores are written anew\n")


async def _status(settings: Settings) -> list[str]:
    async with connected(settings.postgres.dsn.get_secret_value(), application=NAME) as statements:
        table = RebuildTable(statements)
        last = await table.last()
        if last is None:
            return ["there was no rebuild"]
        began = f"{last.begun_at:%Y-%m-%d %H:%M:%S} UTC"
        if not last.under_way:
            return [f"the last rebuild, of {began}, was {last.outcome}: {told(last)}"]
        lines = [
            f"under way since {began}: {told(last)}",
            f"{await table.traced()} events came meanwhile and wait for it",
        ]
        still_s = (SystemClock().now_us() / 1e6) - last.moved_at.timestamp()
        return [
            *lines,
            f"it moved {still_s:.0f} s ago; if nobody runs it: `tactus rebuild` goes on, `tactus rebuild drop` ends it",
        ]


async def _drop(settings: Settings) -> None:
    async with _claimed(settings) as (_, table):
        last = await table.last()
        if last is None or not last.under_way:
            raise ConfigurationError("no rebuild is under way")
        await table.drop()
