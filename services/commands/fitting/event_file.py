"""What customers lived, read from a file of events as the door and the worker would read it, without either running."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.records import Event, Poison, read_record
from services.commands.bundled_maps import find_map, has_map
from services.commands.fitting.file_facts import FileFacts
from services.commands.outcomes import Outcome
from services.commands.rows.forms import FileForm
from services.commands.rows.opening import open_rows
from services.commands.rows.row import BadRow
from services.core.catalogue import Catalogue
from services.core.dimensions import Leaf
from services.core.facts import Fact, Facts, PersonFacts
from services.core.instants import HOUR_US, micros_of, write_instant
from services.core.lived import History
from services.core.tallies import HOURS_KEPT, fold
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError, InvalidEventError
from services.infra.mapping.event_map import CsvForm, Readable
from services.infra.mapping.map_file import load_map
from services.infra.mapping.values import Scope
from services.infra.pseudonyms import known_identities
from services.infra.sources import Source
from services.ingest.judge import Judge, arrival
from services.ingest.rejection import Rejected
from services.state.facts import facts_of_persons

Integers = NDArray[np.int64]

EVENTS_MAX: Final = 5_000_000
"""Held at once, 160 bytes each: a stack's own database holds more than a file on a desk."""

REASONS_SHOWN_MAX: Final = 5

_KEY: Final = b"nothing of a file is stored, so any key will do"
_SOURCE: Final = Source(name="file", kind="server", keys_sha256=(), backfill=True)


class _Record(NamedTuple):
    """A line of the log that nobody wrote to a log."""

    value: bytes
    timestamp: int
    key: bytes | None = None
    offset: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class EventFile:
    """Events by customer, each counted once for the strongest identity that it names: nobody is joined with anybody."""

    leaves: dict[Leaf, int] = field(default_factory=dict)
    customers: dict[str, int] = field(default_factory=dict)
    columns: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    """Customer, time in microseconds, leaf, v, q."""
    facts: list[Fact] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Why lines are no events, and how many are none for it."""
    seen: set[bytes] = field(default_factory=set)

    def take(self, event: Event | str) -> None:
        """Add an event, or why there is none; raises ConfigurationError when there are too many."""
        if isinstance(event, str):
            self.reasons[event] += 1
            return
        if event.key in self.seen:
            return
        self.seen.add(event.key)
        if len(self.columns) == EVENTS_MAX:
            raise ConfigurationError(
                f"the file holds more than {EVENTS_MAX} events; learn from those of some customers"
            )
        leaf = self.leaves.setdefault(Leaf._make(event.leaf), len(self.leaves))
        customer = self.customers.setdefault(event.subject, len(self.customers))
        self.columns.append((customer, event.occurred_us, leaf, event.v, event.q))
        self.facts += [fact._replace(identity=customer) for fact in event.facts]

    def told(self) -> list[str]:
        """Say what was read, and what could not be."""
        reasons = sorted(self.reasons.items(), key=lambda item: -item[1])[:REASONS_SHOWN_MAX]
        lines = [f"{len(self.columns)} events of {len(self.customers)} customers read"]
        return lines + [f"{count} lines are no events: {reason}" for reason, count in reasons]

    async def before(self, outcomes: Sequence[Outcome]) -> tuple[History, list[int]]:
        """Give what each outcome's customer had lived before it, and which outcomes are of customers of the file."""
        known = [place for place, outcome in enumerate(outcomes) if self._customer(outcome.identity) is not None]
        table = np.array(self.columns, dtype=np.int64).reshape(-1, 5)
        table = table[np.lexsort((table[:, 1], table[:, 0]))]
        customers = np.array([self._customer(outcomes[place].identity) for place in known], dtype=np.int64)
        moments = np.array([micros_of(outcomes[place].at) for place in known], dtype=np.int64)
        first, last = _range(table, customers, moments)
        counts = np.maximum(last - first, 0)
        place = np.repeat(np.arange(len(known)), counts)
        within = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        mine = table[np.repeat(first, counts) + within]
        tallies = fold(owner=place, leaf=mine[:, 2], hour=mine[:, 1] // HOUR_US, v=mine[:, 3], q=mine[:, 4])
        facts = await self._facts_before(customers.tolist(), moments.tolist())
        return History(tallies, list(self.leaves), facts, moments // HOUR_US), known

    async def _facts_before(self, customers: Sequence[int], moments: Sequence[int]) -> Facts:
        beside = await facts_of_persons(FileFacts(self.facts), {*customers})
        return Facts(
            {
                place: PersonFacts(one.identities, [fact for fact in one.facts if fact.occurred_us < moment])
                for place, (customer, moment) in enumerate(zip(customers, moments, strict=True))
                if (one := beside.get(customer)) is not None
            }
        )

    def _customer(self, identity: str) -> int | None:
        if identity in self.customers:
            return self.customers[identity]
        kind, _, value = identity.partition(":")
        try:
            names = [":".join(one) for one in known_identities(_KEY, kind, value)]
        except InvalidEventError:
            return None
        return next((self.customers[name] for name in names if name in self.customers), None)


def _range(table: Integers, customers: Integers, moments: Integers) -> tuple[Integers, Integers]:
    """Find the rows of each customer from 400 days before a moment until just before it."""
    oldest = (moments // HOUR_US - HOURS_KEPT + 1) * HOUR_US
    edges = np.searchsorted(table[:, 0], customers), np.searchsorted(table[:, 0], customers, side="right")
    spans = zip(*(edge.tolist() for edge in (*edges, oldest, moments)), strict=True)
    found = [
        (start + np.searchsorted(table[start:end, 1], [since, until])).tolist() for start, end, since, until in spans
    ]
    first, last = np.array(found, dtype=np.int64).reshape(-1, 2).T
    return first, last


def read_events(path: Path, *, map_file: Path | None, catalogue: Catalogue) -> EventFile:
    """Read a file by a map, or as events in our own words where there is none; raises ConfigurationError."""
    file, judge = EventFile(), Judge(catalogue=catalogue, hash_key=_KEY)
    now_us = SystemClock().now_us()
    received = arrival(now_us)
    for body in _bodies(path, map_file=map_file, catalogue=catalogue):
        verdict = body if isinstance(body, str) else judge.judge(body, source=_SOURCE, received=received)
        if isinstance(verdict, str):
            file.take(verdict)
        elif isinstance(verdict, Rejected):
            file.take(f"{verdict.reason}: {verdict.detail}")
        else:
            read = read_record(_Record(verdict.value, now_us // 1000), catalogue=catalogue, known=file.customers)
            file.take(read.detail if isinstance(read, Poison) else read)
    if not file.columns:
        raise ConfigurationError("\n".join([f"{path}: holds no events that can be read", *file.told()[1:]]))
    return file


def _bodies(path: Path, *, map_file: Path | None, catalogue: Catalogue) -> Iterator[object]:
    """Give events as a client would send them, or why there is none."""
    if map_file is None and not has_map(path):
        for row in open_rows(path, csv=CsvForm(), form=FileForm.NDJSON).rows():
            yield row.reason if isinstance(row, BadRow) else row.fields
        return
    event_map = load_map(find_map(path, chosen=map_file), touchpoints=catalogue.entries.keys())
    for row in open_rows(path, csv=event_map.csv, form=None).rows():
        if isinstance(row, BadRow):
            yield row.reason
            continue
        whole = Scope(row=row.fields, body=row.fields, headers={}, file={"name": path.name, "line": row.line})
        for read in event_map.events(whole):
            if isinstance(read, Readable):
                time = {} if read.occurred_at is None else {"time": write_instant(read.occurred_at)}
                yield {"id": read.event_id, **time, "data": read.body}
            else:
                yield read.reason
