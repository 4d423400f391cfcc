"""Promises on a small scale: lives in which they cross, and what these come to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np

from services.aggregator.counting.records import Event, Poison, read_record
from services.core import scoring
from services.core.catalogue import Catalogue
from services.core.dimensions import Leaves
from services.core.facts import Facts, PersonFacts
from services.core.instants import HOUR_US
from services.core.tallies import fold
from services.infra.catalogue.reading import CATALOGUE_FILE, load_catalogue
from tests.reference.promises import Book, Told, read_book
from tests.reference.scoring import Model
from tests.reference.told import read
from tests.support.chunks import LogRecord, event

START = datetime(2026, 6, 1, 12, tzinfo=UTC)

CATALOGUE = load_catalogue()
BOOK = read_book(CATALOGUE_FILE)
"""The same as plain data."""

WHO = ("customer:a", "customer:b", "email_hash:" + "c" * 32, "anonymous:v-1")
SERVER = {"keykind": "server"}


def promise_catalogue(_folder: Path) -> Catalogue:
    """The product's catalogue, which has promises of its own."""
    return CATALOGUE


def at(hours: float) -> str:
    """An instant so long after the start."""
    return (START + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def said(event_id: str, touchpoint: str, *, hours: float, who: Sequence[str] = WHO[:1], **data: object) -> bytes:
    """What a server says; `order` and `case` stand in its data, anything else among its properties."""
    named: dict[str, object] = {name: data.pop(name) for name in ("order", "case") if name in data}
    return event(
        event_id,
        time=at(hours),
        identities=who,
        touchpoint=touchpoint,
        extra={**named, "properties": data},
        envelope=SERVER,
    )


def crossed_lives(random: Random, events: int) -> list[bytes]:
    """Events of a few people who order, wait and complain together."""
    return [_one(random, number) for number in range(events)]


def _one(random: Random, number: int) -> bytes:
    hours = random.randrange(0, 24 * 12)
    who = [random.choice(WHO)]
    if random.random() < 0.15:
        who = [random.choice(WHO[:2]), random.choice(WHO[2:])]
    order, parcel, case = (f"{random.randrange(3)}" for _ in range(3))
    due = {"promised_at": at(hours + random.randrange(-30, 60))}
    parts = {"parcel": parcel} if random.random() < 0.5 else {}
    options: list[tuple[str, dict[str, object]]] = [
        ("order.completed", {"order": order, **due}),
        ("order.completed", {"order": order}),
        ("delivery.dispatched", {"order": order, **due, **parts}),
        ("delivery.dispatched", {"parcel": parcel, **due}),
        ("delivery.delivered", {"order": order, **parts}),
        ("delivery.delivered", {"parcel": parcel}),
        ("delivery.delivered", {"order": order, **due}),
        ("order.cancelled_by_shop", {"order": order}),
        ("case.opened", {"case": case}),
        ("case.escalated", {"case": case}),
        ("case.resolved", {"case": case, "wait_seconds": 100}),
        ("web.page_viewed", {}),
    ]
    touchpoint, data = random.choice(options)
    return said(f"e-{number}", touchpoint, hours=hours, who=who, **data)


class Recount(NamedTuple):
    """What these events come to, read in one go and without any store."""

    events: Sequence[Event]
    catalogue: Catalogue

    @classmethod
    def of(cls, values: Sequence[bytes], catalogue: Catalogue, *, at_ms: int) -> Recount:
        """Read every event; each is there once."""
        read = [read_record(LogRecord(0, at_ms, b"", value), catalogue=catalogue, known={}) for value in values]
        assert not [one for one in read if isinstance(one, Poison)]
        return cls([one for one in read if isinstance(one, Event)], catalogue)

    def plain(self, person: str, person_of: Mapping[str, str], *, book: Book, at_hour: int) -> float:
        """The same by the plain reading that shares no code with the product."""
        names = sorted(person_of)
        told = [
            Told(
                names.index(one.subject),
                one.source,
                one.event_id,
                one.occurred_us,
                one.received_us // HOUR_US,
                json.loads(one.body)["data"],
            )
            for one in self.events
        ]
        mine = {place for place, name in enumerate(names) if person_of[name] == person}
        return read(book, told, Model(book.weights), mine=mine, at=at_hour).score

    def score(self, person: str, person_of: Mapping[str, str], *, at_hour: int) -> float:
        """A person's score at an hour, from everybody's facts."""
        names = sorted(person_of)
        mine = [one for one in self.events if person_of[one.subject] == person]
        triples = sorted({one.leaf for one in self.events})
        columns = [(triples.index(one.leaf), one.occurred_us // HOUR_US, one.v, one.q) for one in mine]
        leaf, hour, v, q = np.array(columns, dtype=np.int64).reshape(-1, 4).T
        facts = [fact._replace(identity=names.index(one.subject)) for one in self.events for fact in one.facts]
        own = {place for place, name in enumerate(names) if person_of[name] == person}
        [reading] = scoring.read(
            fold(owner=np.zeros(len(mine), dtype=np.int64), leaf=leaf, hour=hour, v=v, q=q),
            facts=Facts({0: PersonFacts(own, facts)}),
            owners=1,
            leaves=Leaves.of(self.catalogue, triples),
            at_hour=at_hour,
            parameters=self.catalogue.parameters,
            windows_h=[None],
        )
        return float(reading.score[0])
