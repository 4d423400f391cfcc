"""Every event, whole: the insert of its row is the answer to whether it is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import asyncpg
import numpy as np
from numpy.typing import NDArray

from schemas.readapi import TEXT_SHOWN_CHARS_MAX
from services.core.instants import EPOCH
from services.state.copying import POSTGRES_EPOCH_US, fixed_copy, fixed_rows, length_of, mixed_copy, text_field
from services.state.pool import Statements, present

Integers = NDArray[np.int64]

COLUMNS: Final = (
    "occurred_at", "received_at", "key", "identity", "body_hash", "leaf", "v", "q", "source", "event_id", "body",
)  # fmt: skip

TEXT_FIELDS: Final = 3

CAREFUL_CHUNKS: Final = 50
"""After a duplicate: a wasted copy in fifty chunks costs two per cent."""

EVENTS_WALKED_MAX: Final = 10_000
"""Newest events of a person among which those behind a leaf are looked for; their count comes from tallies."""


TEXT_CHARS_READ: Final = TEXT_SHOWN_CHARS_MAX + 1
"""Of what a customer wrote: one more than is shown tells that there is more."""


class Storable(Protocol):
    """What is stored of an event beside its numbers."""

    @property
    def key(self) -> bytes:
        """16 bytes of the hash of source and id."""

    @property
    def received_us(self) -> int:
        """When ingest took it."""

    @property
    def logged_us(self) -> int:
        """When the log took it."""

    @property
    def body_hash(self) -> bytes:
        """8 bytes of the hash of what the client sent."""

    @property
    def source(self) -> str:
        """Who sent it."""

    @property
    def event_id(self) -> str:
        """What its sender calls it."""

    @property
    def body(self) -> bytes:
        """The record's value, as it stands in the log."""


class Numbers(NamedTuple):
    """Events' numbers as columns, one position each; v and q in micro-units."""

    identity: Integers
    leaf: Integers
    occurred_us: Integers
    v: Integers
    q: Integers


class Known(NamedTuple):
    """An event that an earlier transaction stored."""

    key: bytes
    body_hash: int


class Place(NamedTuple):
    """A place in a journey: just after this event."""

    occurred_at: datetime
    key: UUID


END: Final = Place(datetime.max.replace(tzinfo=EPOCH.tzinfo), UUID(int=2**128 - 1))
"""The place after every event."""


class JourneyEvent(NamedTuple):
    """One event of a journey; v and q in micro-units."""

    event_id: str
    source: str
    identity: int
    touchpoint: str
    channel: str
    place: str
    occurred_at: datetime
    received_at: datetime
    v: int
    q: int
    key: UUID
    rating: str | None
    """What the customer answered, as the event has it: JSON."""
    text: str | None


class FoundEvent(NamedTuple):
    """An event that was asked for by its source and id; v and q in micro-units."""

    key: UUID
    leaf: int
    occurred_at: datetime
    v: int
    q: int


class LatestEvent(NamedTuple):
    """One event behind a leaf; v and q in micro-units."""

    source: str
    event_id: str
    occurred_at: datetime
    v: int
    q: int
    rating: str | None
    text: str | None


class Caution:
    """Whether a chunk's events may be copied in as if all were new.

    That costs Postgres a third less than comparing first, and all of it again where one is not new; duplicates come
    in bursts (a client that retries, a worker that starts over), so after one the next chunks are compared.
    """

    def __init__(self) -> None:
        self._chunks = 0

    def trusts(self) -> bool:
        """True when no chunk of late held a duplicate."""
        self._chunks -= 1
        return self._chunks < 0

    def surprised(self) -> None:
        """A chunk did."""
        self._chunks = CAREFUL_CHUNKS


class EventTable:
    """The statements of `touchpoint_row` and of `seen_event`."""

    def __init__(self, statements: Statements, caution: Caution) -> None:
        self._say = statements
        self._caution = caution

    async def add(self, events: Sequence[Storable], numbers: Numbers) -> list[Known]:
        """Insert events, which come in the order of (time, key); returns those that were stored before.

        An event was stored before when its source and id were within 30 days of log time, or with the same time at all.
        """
        rows, seen = event_copy(events, numbers), seen_copy(events)
        if self._caution.trusts() and await self._all_new(rows, seen):
            return []
        await self._say.copy_in("incoming_seen", seen)
        await self._say.copy_in("incoming_touchpoint", rows)
        known: list[Known] = []
        if await self._say.run("add_seen") < len(events):
            known += [_known(row) for row in await self._say.rows("set_aside_seen")]
        if await self._say.run("add_touchpoints") < len(events) - len(known):
            older = [_known(row) for row in await self._say.rows("known_touchpoints")]
            keys, hashes = [UUID(bytes=one.key) for one in older], [one.body_hash for one in older]
            await self._say.run("correct_seen", keys, hashes)
            known += older
        return known

    async def _all_new(self, rows: bytes, seen: bytes) -> bool:
        """Copy the events straight in; one that was stored before undoes it all, and the slower way finds it."""
        # Released by hand: what followed a mere rollback would still be a subtransaction's, and its rows would not
        # carry this transaction's number, by which the slower way tells ours from those that were there.
        with present():
            await self._say.session.execute("SAVEPOINT straight")
            try:
                await self._say.copy_in("seen_event", seen)
                await self._say.copy_in("touchpoint_row", rows, columns=COLUMNS)
            except asyncpg.UniqueViolationError:
                await self._say.session.execute("ROLLBACK TO SAVEPOINT straight; RELEASE SAVEPOINT straight")
                self._caution.surprised()
                return False
            await self._say.session.execute("RELEASE SAVEPOINT straight")
        return True

    async def journey(self, identities: Sequence[int], *, before: Place, limit: int) -> list[JourneyEvent]:
        """Up to `limit` events of these identities before a place, the newest first."""
        rows = await self._say.rows(
            "journey_before", list(identities), before.occurred_at, before.key, limit, TEXT_CHARS_READ
        )
        return [JourneyEvent(*row) for row in rows]

    async def journey_of_many(self, identities: Sequence[int], *, before: Place, limit: int) -> list[JourneyEvent]:
        """The same, of so many identities that not all of their events are to be looked through."""
        rows = await self._say.rows(
            "journey_of_many", list(identities), before.occurred_at, before.key, limit, TEXT_CHARS_READ
        )
        return [JourneyEvent(*row) for row in rows]

    async def named(
        self, identities: Sequence[int], keys: Sequence[UUID], *, since: datetime, until: datetime
    ) -> list[FoundEvent]:
        """The events of these identities with these keys, which are hashes of source and id."""
        rows = await self._say.rows("events_named", list(identities), since, until, list(keys))
        return [FoundEvent(*row) for row in rows]

    async def extremes(
        self, identities: Sequence[int], hours: Sequence[tuple[int, datetime]], *, but: Sequence[UUID]
    ) -> Mapping[tuple[int, datetime], tuple[int, int]]:
        """The best and worst, in micro-units, of leaves within the hours that begin then, but for some events."""
        leaves, since = [leaf for leaf, _ in hours], [begin for _, begin in hours]
        rows = await self._say.rows("extremes", list(identities), leaves, since, list(but))
        return {(row["leaf"], row["since"]): (row["best"], row["worst"]) for row in rows}

    async def latest(
        self,
        identities: Sequence[int],
        *,
        leaves: Sequence[int],
        since: datetime,
        until: datetime,
        received_before: datetime,
        each: int,
    ) -> Mapping[int, Sequence[LatestEvent]]:
        """The newest events behind each of these leaves, by its number, of those that were received before a time."""
        whose, when = list(identities), (since, until)
        rows = await self._say.rows(
            *("latest_by_leaf", whose, *when, EVENTS_WALKED_MAX, each, list(leaves), TEXT_CHARS_READ, received_before)
        )
        by_leaf: dict[int, list[LatestEvent]] = {}
        for leaf, *event in rows:
            by_leaf.setdefault(leaf, []).append(LatestEvent(*event))
        return by_leaf


async def rows_by_source(statements: Statements) -> Mapping[str, int]:
    """How many events of each stored source count. Reads every row: for a small log, such as the demo's."""
    return {row["source"]: row["rows"] for row in await statements.rows("rows_by_source")}


def event_copy(events: Sequence[Storable], numbers: Numbers) -> bytes:
    """The rows of `touchpoint_row` as a binary COPY."""
    received = np.array([event.received_us for event in events], dtype=np.int64)
    keys = np.frombuffer(b"".join([event.key for event in events]), dtype="V16")
    hashes = np.frombuffer(b"".join([event.body_hash for event in events]), dtype=">i8")
    fixed = fixed_rows(
        [
            ("timestamptz", numbers.occurred_us - POSTGRES_EPOCH_US),
            ("timestamptz", received - POSTGRES_EPOCH_US),
            ("uuid", keys),
            ("bigint", numbers.identity),
            ("bigint", hashes),
            ("integer", numbers.leaf),
            ("integer", numbers.v),
            ("integer", numbers.q),
        ],
        extra_fields=TEXT_FIELDS,
    )
    sources = {source: text_field(source) for source in {event.source for event in events}}
    tails = []
    for event in events:
        event_id, body = event.event_id.encode(), event.body
        source = sources[event.source]
        tails.append(b"%b%b%b%b%b" % (source, length_of(len(event_id)), event_id, length_of(len(body)), body))
    return mixed_copy(fixed, tails)


def seen_copy(events: Sequence[Storable]) -> bytes:
    """The rows of `seen_event` as a binary COPY, in the order of their keys: two transactions never wait in a circle."""
    keys = b"".join([event.key for event in events])
    halves = np.frombuffer(keys, dtype=">u8")
    order = np.lexsort((halves[1::2], halves[::2]))
    hashes = np.frombuffer(b"".join([event.body_hash for event in events]), dtype=">i8")
    logged = np.array([event.logged_us for event in events], dtype=np.int64)
    return fixed_copy(
        [
            ("uuid", np.frombuffer(keys, dtype="V16")[order]),
            ("bigint", hashes[order]),
            ("timestamptz", logged[order] - POSTGRES_EPOCH_US),
        ]
    )


def signed(body_hash: bytes) -> int:
    """A body hash as the bigint that Postgres keeps."""
    return int.from_bytes(body_hash, "big", signed=True)


def _known(row: asyncpg.Record) -> Known:
    return Known(row["key"].bytes, row["body_hash"])
