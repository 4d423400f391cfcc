"""`tactus sources watch`: what comes in, as it comes, and what becomes of it. It reads the log, so it needs no worker."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from schemas import dead_letter
from schemas.topics import DLQ, EVENT_TOPICS
from schemas.touchpoint import identity_of_subject
from services.commands.examine import Stack, stack_to_examine
from services.commands.sources import configured_of, meant, span
from services.core.instants import instant_of
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError, TactusError
from services.infra.kafka import TailRecord, tail
from services.infra.near import hint
from services.infra.sources import Source
from services.state.pool import connected
from services.state.source_health import SourceTables

NAME: Final = "tactus-watch"
"""As the server shows our connection."""

HINT_S: Final = 20.0
"""A page that was opened has sent by then."""

HINT: Final = (
    "nothing yet: a request without a valid key leaves no trace here, so look at what its sender was answered "
    "(a browser shows it under Network), and at `tactus doctor`"
)

TEXT_CHARS_MAX: Final = 200
"""Of what a sender wrote: names have fewer, and a line stays a line."""


class _Data(msgspec.Struct):
    touchpoint: str
    channel: str = ""
    class_: str = msgspec.field(default="", name="class")


class _Event(msgspec.Struct):
    """As much of a record as is shown: nothing that tells who somebody is."""

    source: str
    subject: str
    data: _Data


_EVENT: Final = msgspec.json.Decoder(_Event)


class Seen(NamedTuple):
    """What came in, in words."""

    source: str
    words: str


def run(name: str | None, *, data: Path | None) -> int:
    """Show what comes until Ctrl-C; 0. Raises TactusError when there is no such source, or nothing to watch."""
    stack = stack_to_examine(data)
    watched = chosen(configured_of(stack), name)
    try:
        asyncio.run(_watch(stack, watched, every=name is None))
    except KeyboardInterrupt:
        return 0
    return 0


def chosen(configured: Mapping[str, Source], name: str | None) -> list[str]:
    """The names to watch; raises ConfigurationError for one that is no source's."""
    if name is None:
        return [*configured]
    if name not in configured:
        instead = hint(name, configured, otherwise=f"make it with `tactus keys add {name}`")
        raise ConfigurationError(f"no source is called {name}: {instead}")
    return [name]


def seen_in(record: TailRecord, *, declared: Collection[str]) -> Seen | None:
    """Say what a record is; None for one that is none of ours."""
    return _rejected(record) if record.topic == DLQ else _accepted(record, declared=declared)


def told(seen: Seen, at_ms: int, *, first: bool) -> str:
    """Write the line of what came."""
    clock = f"{instant_of(at_ms * 1000):%H:%M:%S}"
    head = f"first event of {seen.source} received" if first else seen.source
    return f"{clock}  {head}: {seen.words}\n"


async def _watch(stack: Stack, watched: Collection[str], *, every: bool) -> None:
    declared = load_catalogue(stack.catalogue).entries
    # The log's end first: what comes while the database is asked is not missed.
    async with tail(stack.kafka, (*EVENT_TOPICS, DLQ)) as records:
        silent = set(watched)
        for line in await _opening(stack, watched, silent):
            _say(line)
        hint = asyncio.create_task(_hint(silent, whole=len(watched)))
        try:
            async for record in records:
                seen = seen_in(record, declared=declared)
                if seen is None or not (every or seen.source in watched):
                    continue
                first = record.topic != DLQ and seen.source in silent
                if first:
                    silent.discard(seen.source)
                hint.cancel()
                _say(told(seen, record.timestamp, first=first))
        finally:
            hint.cancel()
            await asyncio.gather(hint, return_exceptions=True)


async def _opening(stack: Stack, watched: Collection[str], silent: set[str]) -> Iterator[str]:
    """Say what is waited for; takes out of `silent` who was heard before."""
    now = instant_of(SystemClock().now_us())
    lines: list[str] = []
    try:
        async with connected(stack.postgres, application=NAME) as statements:
            heard = await SourceTables(statements).last_events()
    except TactusError as error:
        lines.append(f"who was heard before is not known: {error}\n")
        heard = {}
    for name in watched:
        if name in heard:
            silent.discard(name)
            lines.append(f"{name}: the last event came {span(now - heard[name])} ago; waiting for the next …\n")
    if silent:
        lines.append(f"waiting for the first event of {', '.join(name for name in watched if name in silent)} …\n")
    return iter(lines)


async def _hint(silent: Collection[str], *, whole: int) -> None:
    if len(silent) == whole:
        await asyncio.sleep(HINT_S)
        _say(f"{HINT}\n")


def _accepted(record: TailRecord, *, declared: Collection[str]) -> Seen | None:
    try:
        event = _EVENT.decode(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # another producer's; the worker sets it aside with its reason
    touchpoint, kind = event.data.touchpoint, identity_of_subject(event.subject).kind
    unknown = "" if touchpoint in declared else f" (not in the catalogue{meant(touchpoint, declared)})"
    kept = f"accepted, scores nothing: {event.data.class_}" if event.data.class_ else "accepted"
    return Seen(_name(event.source), _harmless(f"{touchpoint}{unknown}, of a customer known by {kind}: {kept}"))


def _rejected(record: TailRecord) -> Seen | None:
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    source = headers.get(dead_letter.SOURCE)
    if source is None:
        return None
    reason, detail = headers.get(dead_letter.REASON, "unknown"), headers.get(dead_letter.DETAIL, "")
    where = headers.get(dead_letter.CHANNEL)
    by = f" by {where}" if where else ""
    return Seen(_name(source), _harmless(f"rejected{by}: {reason}{f': {detail}' if detail else ''}"))


def _name(source: str) -> str:
    return _harmless(source.partition("/")[0])


def _harmless(text: str) -> str:
    """Show what a stranger wrote: nothing in it moves the cursor, and nothing is longer than a line or two."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return shown if len(shown) <= TEXT_CHARS_MAX else f"{shown[: TEXT_CHARS_MAX - 1]}…"


def _say(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()
