"""`tactus import`: send a file of others through the door as its map says, and go on where it broke off."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from services.client.endpoints import Endpoint, find_ingest
from services.client.events import Outgoing, Reply, open_client
from services.client.sending import Sending
from services.commands.bundled_maps import stem
from services.commands.import_progress import Progress, Reached, Rejects
from services.commands.rows.forms import FileForm
from services.commands.rows.opening import open_rows
from services.commands.rows.row import BadRow, Row, RowSource
from services.commands.telling import INTERRUPTED, reason_of, say, show
from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import TactusError
from services.infra.mapping.event_map import EventMap, Unreadable
from services.infra.mapping.map_file import load_map
from services.infra.mapping.values import Scope
from services.infra.near import nearest
from services.infra.settings import read_settings

REQUESTS_AT_ONCE: Final = 4
"""The door writes one batch to the log while it reads the next; more of them only wait."""

ROWS_AT_ONCE: Final = 500
"""Read between two marks of how far it is: about what one request holds."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a person asked for."""

    file: Path
    map_file: Path
    source: str | None = None
    form: FileForm | None = None
    rejected: Path | None = None
    anew: bool = False
    data: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be sent, where to, and what is settled of it."""

    rows: RowSource
    map: EventMap
    name: str
    source: str
    endpoint: Endpoint
    progress: Progress
    reached: Reached
    rejects: Rejects


class Made(NamedTuple):
    """What a row became: an event, or a reason why not; neither where it is left out."""

    row: Row | BadRow
    event: Outgoing | None = None
    reason: str = ""


def run(options: Options) -> int:
    """Import the file; 0 when every row was taken or left out, 1 when not, 130 after Ctrl-C. Counts come last, on stdout."""
    sending = Sending()
    plan: Plan | None = None
    code = 0
    try:
        plan = _plan(options)
        _announce(plan)
        asyncio.run(_import(plan, sending))
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here: what is in the log is not counted twice")
        code = INTERRUPTED
    except (TactusError, ExceptionGroup) as error:
        say(reason_of(error))
        code = 1
    if plan is None:
        return code
    plan.rejects.close()
    sys.stdout.write("\n".join([*sending.lines()[:-1], _counts(plan.reached, plan.rejects)]) + "\n")
    return code or (1 if plan.reached.rejected else 0)


def _plan(options: Options) -> Plan:
    catalogue = load_catalogue(read_settings().catalogue)
    event_map = load_map(options.map_file, touchpoints=catalogue.entries.keys())
    rows = open_rows(options.file, csv=event_map.csv, form=options.form)
    _warn_of_missing_columns(rows, event_map)
    endpoint = find_ingest(options.data, key="backfill")
    source = f"import/{stem(options.file)}" if options.source is None else options.source
    progress = Progress.of(endpoint.data, options.file, map_file=options.map_file, source=source, url=endpoint.url)
    if options.anew:
        progress.forget()
    reached = progress.reached(options.file)
    rejected = options.rejected or options.file.with_name(f"{options.file.name}.rejected.ndjson")
    return Plan(
        rows=rows,
        map=event_map,
        name=options.file.name,
        source=source,
        endpoint=endpoint,
        progress=progress,
        reached=reached,
        rejects=Rejects(rejected, bytes_kept=reached.rejects_bytes),
    )


def _announce(plan: Plan) -> None:
    source = plan.source or "its key's own source"
    say(f"{plan.name} to {plan.endpoint.url} from {source}")
    if plan.reached.rows:
        say(f"going on after {plan.reached.rows} rows of an earlier run (--anew begins with the first)")


def _warn_of_missing_columns(rows: RowSource, event_map: EventMap) -> None:
    """Tell of fields that no row can have: nearly always a name that is written otherwise."""
    if rows.columns is None or event_map.each is not None:
        return
    tops = {column.partition(".")[0] for column in rows.columns} | set(rows.columns)
    for name in sorted(event_map.fields()):
        if name not in rows.columns and name.partition(".")[0] not in tops:
            near = nearest(name, rows.columns)
            say(
                f"no column is called {name!r}, which the map looks for" + (f"; did you mean {near!r}?" if near else "")
            )


async def _import(plan: Plan, sending: Sending) -> None:
    """Send everything with a few requests at once, and settle them in their order; raises when the door stays away."""
    async with (
        open_client(url=plan.endpoint.url, key=plan.endpoint.key, connections=REQUESTS_AT_ONCE) as client,
        asyncio.TaskGroup() as group,
    ):
        shown = group.create_task(show(plan.name, sending, done=lambda: plan.rows.done, total=plan.rows.size))
        under_way: deque[tuple[asyncio.Task[list[Reply]], Sequence[Made], int]] = deque()
        rows = islice(plan.rows.rows(), plan.reached.rows, None)
        while read := list(islice(rows, ROWS_AT_ONCE)):
            made = [one for row in read for one in _made(plan, row)]
            events = [one.event for one in made if one.event is not None]
            sending.sent += len(events)
            under_way.append((group.create_task(client.send_all(events)), made, len(read)))
            if len(under_way) == REQUESTS_AT_ONCE:
                await _settle(plan, sending, *under_way.popleft())
        while under_way:
            await _settle(plan, sending, *under_way.popleft())
        shown.cancel()


def _made(plan: Plan, row: Row | BadRow) -> Iterator[Made]:
    if isinstance(row, BadRow):
        yield Made(row, reason=row.reason)
        return
    whole = Scope(row=row.fields, body=row.fields, file={"name": plan.name, "line": row.line})
    is_empty = True
    for read in plan.map.events(whole):
        is_empty = False
        if isinstance(read, Unreadable):
            yield Made(row, reason=read.reason)
        else:
            yield Made(
                row,
                Outgoing.of(event_id=read.event_id, source=plan.source, occurred_at=read.occurred_at, body=read.body),
            )
    if is_empty:
        yield Made(row)


async def _settle(
    plan: Plan, sending: Sending, sent: asyncio.Task[list[Reply]], made: Sequence[Made], rows: int
) -> None:
    """Count what became of some rows, and only then say that they are settled."""
    replies = iter(await sent)
    reached = plan.reached
    for one in made:
        reply = next(replies) if one.event is not None else None
        reason = one.reason if reply is None else "" if reply.accepted else reply.reason
        if reason:
            sending.reject(reason, which=f"line {one.row.line}")
            plan.rejects.write(line=one.row.line, reason=reason, row=_shown(one.row))
            reached.rejected += 1
        elif reply is not None:
            sending.accepted += 1
            reached.accepted += 1
        else:
            reached.left_out += 1
    plan.rejects.flush()
    reached.rows += rows
    reached.rejects_bytes = plan.rejects.size
    plan.progress.keep(reached)


def _shown(row: Row | BadRow) -> object:
    return row.text if isinstance(row, BadRow) else row.fields


def _counts(reached: Reached, rejects: Rejects) -> str:
    where = f", rejected rows in {rejects.path}" if reached.rejected else ""
    return (
        f"rows {reached.rows}, accepted {reached.accepted}, left out {reached.left_out}, "
        f"rejected {reached.rejected}{where}"
    )
