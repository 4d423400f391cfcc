"""What the read API asks of Postgres, each answer from one snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
import numpy as np

from schemas.topics import EVENT_TOPICS
from services.core.tallies import LEAF, WIDTH, Tallies, merge
from services.infra.errors import UnavailableError
from services.infra.logs import get_logger
from services.infra.settings import PostgresSettings
from services.state.pool import open_pool
from services.state.queries import load_queries

ACQUIRE_S: Final = 2.0
"""A connection is free within milliseconds; longer means that the database is away or overrun."""

ANSWER_S: Final = 5.0
"""All questions of one request together; a person with a million tallies takes under one second."""

REOPEN_S: Final = 1.0
"""How soon a database that was away at the start is tried again."""

EVENTS_WALKED_MAX: Final = 10_000
"""Newest events of a person among which those behind a leaf are looked for; their count comes from tallies."""

FIRST_HOUR: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_INSTANT: Final = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT: Final = datetime.max.replace(tzinfo=UTC)
LAST_KEY: Final = UUID(int=2**128 - 1)

_AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What asyncpg raises when the server is away, restarts, or has no room; the rest is our own fault."""

log = get_logger(__name__)


class Person(NamedTuple):
    """A person as stored: its name, its identities by their numbers, and when its stored score was read."""

    customer: str
    version: int
    as_of: int
    model_version: str | None
    identities: Mapping[int, str]


class Experience(NamedTuple):
    """A person's tallies; leaf numbers in the rows are positions in `triples`, which is in text order."""

    tallies: Tallies
    triples: tuple[tuple[str, str, str], ...]
    stored_leaves: tuple[int, ...]


class Place(NamedTuple):
    """A place in a journey: just after this event."""

    occurred_at: datetime
    key: UUID


END: Final = Place(LAST_INSTANT, LAST_KEY)
"""The place after every event."""


class Event(NamedTuple):
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


class Latest(NamedTuple):
    """One event behind a leaf; v and q in micro-units."""

    source: str
    event_id: str
    occurred_at: datetime
    v: int
    q: int


class Alert(NamedTuple):
    """One alert of a person."""

    id: UUID
    rule: str
    severity: str
    state: str
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None
    snoozed_until: datetime | None
    score_before: float
    score: float


class EventCounts(NamedTuple):
    """What became of the records of the event topics, and how many the stored positions have passed."""

    applied: int
    duplicate: int
    conflict: int
    dead: int
    erased: int
    passed: int


class Reading:
    """Questions to one snapshot of the database."""

    def __init__(self, connection: asyncpg.pool.PoolConnectionProxy, sql: Mapping[str, str]) -> None:
        self._connection = connection
        self._sql = sql

    async def person(self, identity: str) -> Person | None:
        """Find the person that an identity belongs to, now."""
        row = await self._connection.fetchrow(self._sql["person_of_identity"], identity)
        if row is None:
            return None
        identities = await self._connection.fetch(self._sql["identities_of_person"], row["id"])
        return Person(
            customer=row["customer"],
            version=row["version"],
            as_of=row["as_of"],
            model_version=row["model_version"],
            identities={row["id"]: row["value"] for row in identities},
        )

    async def experience(self, person: Person, *, after_hour: int, until_hour: int) -> Experience:
        """Read the tallies of all the person's identities in the hours (after_hour, until_hour]."""
        rows = await self._connection.fetch(
            self._sql["tallies_of_identities"], [*person.identities], after_hour, until_hour
        )
        cells = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, WIDTH)
        leaves = await self._connection.fetch(self._sql["leaves"], np.unique(cells[:, LEAF]).tolist())
        ordered = sorted((touchpoint, channel, place, number) for number, touchpoint, channel, place in leaves)
        stored = tuple(number for *_, number in ordered)
        position = {number: index for index, number in enumerate(stored)}
        cells[:, LEAF] = [position[number] for number in cells[:, LEAF].tolist()]
        # Identities of one person may have lived the same hour: their tallies are added before the cap is applied.
        owner = np.zeros(len(cells), dtype=np.int64)
        return Experience(
            tallies=merge([Tallies(owner, cells)]),
            triples=tuple((touchpoint, channel, place) for touchpoint, channel, place, _ in ordered),
            stored_leaves=stored,
        )

    async def latest(
        self, person: Person, *, from_hour: int, until_hour: int, each: int
    ) -> Mapping[int, Sequence[Latest]]:
        """Read the newest events behind each leaf, by the leaf's stored number."""
        rows = await self._connection.fetch(
            self._sql["latest_by_leaf"],
            [*person.identities],
            _start_of(from_hour),
            _start_of(until_hour + 1),
            EVENTS_WALKED_MAX,
            each,
        )
        by_leaf: dict[int, list[Latest]] = {}
        for leaf, *event in rows:
            by_leaf.setdefault(leaf, []).append(Latest(*event))
        return by_leaf

    async def journey(self, person: Person, *, before: Place, limit: int) -> Sequence[Event]:
        """Read up to `limit` events before a place in the journey, the newest first."""
        rows = await self._connection.fetch(
            self._sql["journey_before"], [*person.identities], before.occurred_at, before.key, limit
        )
        return [Event(*row) for row in rows]

    async def alerts(self, person: Person, *, until: datetime, limit: int) -> Sequence[Alert]:
        """Read the person's newest alerts that were opened by then."""
        rows = await self._connection.fetch(self._sql["alerts_of_identities"], [*person.identities], until, limit)
        return [Alert(*row) for row in rows]

    async def event_counts(self) -> EventCounts:
        """Add up what became of all records."""
        rows = await self._connection.fetch(self._sql["event_counts"], [*EVENT_TOPICS])
        return EventCounts(*rows[0])


class CustomerStore:
    """Postgres, or the fact that it is away."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._sql = load_queries("read_queries.sql")
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Connect; tries again until the database answers, so a process may start before it."""
        told = False
        while self._pool is None:
            try:
                self._pool = await open_pool(self._settings, application="tactus-api")
            except UnavailableError as error:
                if not told:
                    log.warning("postgres_away", reason=str(error))
                told = True
                await asyncio.sleep(REOPEN_S)

    async def close(self) -> None:
        """Close the connections, at once when they do not close in time."""
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), ACQUIRE_S)
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Reading]:
        """Open a snapshot; raises UnavailableError when the database is away or too slow."""
        if self._pool is None:
            raise UnavailableError("Postgres has not answered yet")
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                self._pool.acquire(timeout=ACQUIRE_S) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield Reading(connection, self._sql)
        except asyncpg.UndefinedTableError as error:
            raise UnavailableError("the database has no tables yet: run `tactus migrate`") from error
        except _AWAY as error:
            raise UnavailableError("Postgres does not answer") from error


def _start_of(hour: int) -> datetime:
    try:
        return FIRST_HOUR + timedelta(hours=hour)
    except OverflowError:
        return LAST_INSTANT if hour > 0 else FIRST_INSTANT
