"""Recompute from the raw log alone what the store must hold; shares no code with the services."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tests.reference.impressions import MICRO, Refused, impression, micros
from tests.reference.promises import Book, Told
from tests.reference.scoring import count
from tests.reference.told import leaves_own

HOUR_US = 3_600 * MICRO
PARTS = ("parcel", "line", "refund", "cart")
TRUSTED = ("server", "till", "signed")

Partition = tuple[str, int]
Place = tuple[str, int, int]
"""Topic, partition and offset: where one record lies."""
EventKey = tuple[str, str]
"""Source and id: within the 30 days that a run cannot outlast they alone name an event."""
Said = tuple[str, str, int | None, int]
"""Source, id, the time that the client sent, and the variant of the body that the driver marked it with."""
TallyKey = tuple[str, str, str, str, int]
"""Identity, touchpoint, channel, place, hour."""


class LogRecord(NamedTuple):
    """One record as the independent client read it."""

    topic: str
    part: int
    offset: int
    value: bytes | None


class Event(NamedTuple):
    """One good event of the log."""

    key: EventKey
    identity: str
    named: tuple[str, ...]
    alias: tuple[str, ...]
    """Two customers who are one person; nearly always none."""
    occurred_us: int
    received_us: int
    said_us: int | None
    body: str
    data: Mapping[str, Any]
    classed: str
    """What the door's rules say it is, before what it says itself."""
    trusted: bool
    """Whether its key is believed about promises: a page's is not."""
    text: str

    @property
    def names_something(self) -> bool:
        """Whether it may be about the same as another event."""
        said = self.data.get("properties", {})
        return any(self.data.get(one) for one in ("order", "case")) or any(said.get(one) for one in PARTS)

    def told(self, who: int) -> Told:
        """The event as the reference reads promises of it."""
        source, name = self.key
        known = self.received_us // HOUR_US
        return Told(who, source, name, self.occurred_us, known, self.data, browser=not self.trusted)


class Row(NamedTuple):
    """What the view `touchpoint` must show of one event."""

    event: Event
    v: int
    q: int


class Expected:
    """Everything that follows from the log."""

    def __init__(self) -> None:
        self.rows: dict[EventKey, Row] = {}
        self.texts: dict[EventKey, list[str]] = {}
        self.homes: dict[EventKey, set[Partition]] = {}
        self.tallies: dict[TallyKey, list[int]] = {}
        self.outcomes: dict[Partition, Counter[str]] = {}
        self.dead: set[Place] = set()
        self.conflicts: set[Place] = set()
        self.said: dict[Said, EventKey] = {}
        self.undecidable: list[EventKey] = []

    def contested(self) -> set[Partition]:
        """Partitions whose split into applied and duplicate depends on which of them was read first."""
        return {home for homes in self.homes.values() if len(homes) > 1 for home in homes}


def judge(value: bytes | None) -> Event | str:
    """The event in a record, or the reason why the record is a dead letter."""
    if value is None:
        return "null"
    try:
        text = value.decode()
        envelope = json.loads(text)
    except (UnicodeDecodeError, ValueError, RecursionError):
        return "not JSON"
    if not isinstance(envelope, dict):
        return "not an object"
    if envelope.get("specversion") != "1.0" or envelope.get("type") != "tactus.touchpoint.v1":
        return "unknown version"
    try:
        return read_event(envelope, text)
    except (KeyError, TypeError, ValueError) as error:
        return f"not an event: {error!r}"


def read_event(envelope: Mapping[str, Any], text: str) -> Event:
    """Take an envelope apart; raises KeyError, TypeError or ValueError when something is missing or wrong."""
    data, origin = envelope["data"], envelope.get("timeorigin")
    occurred = micros(envelope["time"])
    said = envelope["time"]
    if origin is not None:
        said = envelope["clienttime"] if origin == "clamped" else None
    said_us = None if said is None else micros(said)
    named = {f"{identity['kind']}:{identity['value']}" for identity in data["identities"]}
    if envelope["subject"] not in named:
        raise ValueError("the subject is not among the identities")
    words = (envelope["source"], envelope["id"], data["touchpoint"], data["channel"], data.get("place", ""))
    if not all(isinstance(word, str) for word in words):
        raise TypeError("a name is not text")
    return Event(
        key=(envelope["source"], envelope["id"]),
        identity=envelope["subject"],
        named=tuple(sorted(named)),
        alias=read_alias(envelope),
        occurred_us=occurred,
        received_us=micros(envelope["receivedat"]),
        said_us=said_us,
        body=json.dumps(data, sort_keys=True),
        data=data,
        classed=envelope.get("classed", ""),
        trusted=envelope.get("keykind") in TRUSTED,
        text=text,
    )


def read_alias(envelope: Mapping[str, Any]) -> tuple[str, ...]:
    """The subject, and the customer who it is as well; raises KeyError, TypeError or ValueError as read_event does."""
    alias = envelope["data"].get("alias")
    if alias is None:
        return ()
    both = envelope["subject"], f"{alias['kind']}:{alias['value']}"
    if envelope["keykind"] != "server" or not all(one.startswith("customer:") for one in both):
        raise ValueError("an alias is for two customers, by a server's key")
    return both


def observe(tallies: dict[TallyKey, list[int]], row: Row) -> None:
    """Add one event to its tally."""
    event, v, q = row
    data = event.data
    key = (event.identity, data["touchpoint"], data["channel"], data.get("place", ""), event.occurred_us // HOUR_US)
    count(tallies.setdefault(key, [0] * 8), v, q)


def replay(records: Iterable[LogRecord], book: Book) -> Expected:
    """Everything the store must hold after these records, each partition in its own order."""
    found = Expected()
    for record in records:
        outcome = _apply(found, record, book)
        found.outcomes.setdefault((record.topic, record.part), Counter())[outcome] += 1
    for row in found.rows.values():
        observe(found.tallies, row)
    return found


def _apply(found: Expected, record: LogRecord, book: Book) -> str:
    home, place = ((record.topic, record.part), (record.topic, record.part, record.offset))
    event = judge(record.value)
    if isinstance(event, str):
        found.dead.add(place)
        return "dead"
    try:
        v, q = impression(book.valences, event.data, event.occurred_us, classed=event.classed)
        # What promises and tellings say of it stands beside its tally.
        q = leaves_own(book, event.told(0)) if q and event.names_something else q
    except Refused:
        found.dead.add(place)
        return "dead"
    key = event.key
    variant = event.data.get("properties", {}).get("variant", 0)
    found.said[key[0], key[1], event.said_us, variant] = key
    first_here = home not in found.homes.setdefault(key, set())
    found.homes[key].add(home)
    known = found.rows.setdefault(key, Row(event, v, q))
    if first_here:
        found.texts.setdefault(key, []).append(event.text)
    if known.event is event:
        return "applied"
    if known.event.body == event.body:
        return "duplicate"
    if first_here:
        found.undecidable.append(key)
    found.conflicts.add(place)
    return "conflict"
