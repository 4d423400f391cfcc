"""`tactus map try`: read a file by a map, ask the door's own judge about every event, and send none."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from services.client.sending import Sending
from services.commands.rows.forms import FileForm
from services.commands.rows.opening import open_rows
from services.commands.rows.row import BadRow, Row
from services.commands.telling import reason_of, say
from services.core.instants import write_instant
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError, TactusError
from services.infra.mapping.event_map import EventMap, Readable, Unreadable
from services.infra.mapping.map_file import load_map
from services.infra.mapping.values import Scope
from services.infra.near import nearest
from services.infra.settings import read_settings
from services.infra.sources import Source
from services.infra.spelling import is_region
from services.ingest.judge import Judge, arrival
from services.ingest.rejection import Rejected

NAMES_SHOWN_MAX: Final = 50
"""Touchpoints told one by one; a map that makes more of them makes names of values."""

_KEY: Final = b"map try stores nothing, so any key will do"
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a person asked for."""

    file: Path
    map_file: Path
    form: FileForm | None = None
    rows_max: int | None = None
    headers: Sequence[str] = ()
    region: str | None = None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What all rows have in common."""

    map: EventMap
    judge: Judge
    source: Source
    headers: Mapping[str, str]
    name: str
    tally: Tally


@dataclass
class Tally:
    """What the rows became."""

    rows: int = 0
    left_out: int = 0
    events: Sending = field(default_factory=Sending)
    touchpoints: Counter[str] = field(default_factory=Counter)


def run(options: Options) -> int:
    """Print a line of JSON for each event, row that is left out, and reason; 0 when nothing would be rejected, else 1."""
    tally = Tally()
    try:
        _try(options, tally)
    except BrokenPipeError:
        # Whoever reads has seen enough; Python would else complain when it closes the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except TactusError as error:
        say(reason_of(error))
        return 1
    return 1 if tally.events.rejected else 0


def _try(options: Options, tally: Tally) -> None:
    catalogue = load_catalogue(read_settings().catalogue)
    event_map = load_map(options.map_file, touchpoints=catalogue.entries.keys())
    trial = Trial(
        map=event_map,
        judge=Judge(catalogue=catalogue, hash_key=_KEY),
        source=Source(name="trial", kind="server", keys_sha256=(), backfill=True, region=_region(options.region)),
        headers=_headers(options.headers),
        name=options.file.name,
        tally=tally,
    )
    rows = open_rows(options.file, csv=event_map.csv, form=options.form).rows()
    for row in islice(rows, options.rows_max):
        tally.rows += 1
        for told in _became(row, trial):
            sys.stdout.write(_ENCODER.encode({"line": row.line, **told}).decode() + "\n")
    sys.stdout.flush()
    for line in _summary(tally, catalogue.entries.keys()):
        say(line)


def _became(row: Row | BadRow, trial: Trial) -> Iterator[Mapping[str, object]]:
    if isinstance(row, BadRow):
        trial.tally.events.reject(row.reason, which=f"line {row.line}")
        yield {"rejected": row.reason, "row": row.text}
        return
    file = {"name": trial.name, "line": row.line}
    whole = Scope(row=row.fields, body=row.fields, headers=trial.headers, file=file)
    is_empty = True
    for read in trial.map.events(whole):
        is_empty = False
        yield _judged(read, row.line, trial)
    if is_empty:
        trial.tally.left_out += 1
        yield {"left_out": True}


def _judged(read: Readable | Unreadable, line: int, trial: Trial) -> Mapping[str, object]:
    tally = trial.tally
    if isinstance(read, Unreadable):
        tally.events.reject(read.reason, which=f"line {line}")
        return {"rejected": read.reason}
    time = {} if read.occurred_at is None else {"time": write_instant(read.occurred_at)}
    event = {"id": read.event_id, **time, "data": read.body}
    verdict = trial.judge.judge(event, source=trial.source, received=arrival(SystemClock().now_us()))
    if isinstance(verdict, Rejected):
        reason = f"{verdict.reason}: {verdict.detail}"
        tally.events.reject(reason, which=f"line {line}")
        return {"rejected": reason, "event": event}
    tally.events.accepted += 1
    tally.touchpoints[str(read.body["touchpoint"])] += 1
    return {"event": event}


def _summary(tally: Tally, known: Collection[str]) -> Iterator[str]:
    for name, count in tally.touchpoints.most_common(NAMES_SHOWN_MAX):
        yield f"{count} × {name}{_hint(name, known)}"
    yield from tally.events.lines()[:-1]
    yield (
        f"rows {tally.rows}, would be accepted {tally.events.accepted}, left out {tally.left_out}, "
        f"rejected {tally.events.rejected}"
    )


def _hint(name: str, known: Collection[str]) -> str:
    if name in known:
        return ""
    near = nearest(name.removeprefix("x."), known)
    return " (not in the catalogue" + (f"; did you mean {near}?)" if near else ")")


def _headers(given: Sequence[str]) -> Mapping[str, str]:
    headers = {}
    for one in given:
        name, colon, value = one.partition(":")
        if not colon:
            raise ConfigurationError(f"--header {one}: write name: value")
        headers[name.strip().lower()] = value.strip()
    return headers


def _region(region: str | None) -> str | None:
    if region is not None and not is_region(region):
        raise ConfigurationError(f"--region {region}: write it as ISO 3166 has it, such as PL")
    return region
