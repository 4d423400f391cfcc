"""A rebuild: what is stored is judged anew into tables beside those that are read, which then take their place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from io import BytesIO
from typing import Final, NamedTuple

import asyncpg
import numpy as np
from numpy.typing import NDArray

from services.core.facts import Fact
from services.core.instants import EPOCH
from services.infra.errors import ConfigurationError, UnavailableError
from services.state.copying import HEADER, POSTGRES_EPOCH_US, fixed_copy, fixed_rows, mixed_copy, text_field
from services.state.facts import COLUMNS as FACT_COLUMNS
from services.state.facts import fact_copy, names_of
from services.state.pool import Statements, present
from services.state.queries import SQL
from services.state.tallies import tally_copy

Integers = NDArray[np.int64]

ROWS: Final = 20_000
"""Judged in one transaction, some tenths of a second; were each as large as an event may be, 640 MiB."""

ALL_HOURS: Final = 1 << 20
"""The hour after every event."""

CAUGHT_LEFT_MAX: Final = 2000
"""So few of the events that came meanwhile are judged while workers wait."""

ATTEMPTS_MAX: Final = 100
"""To hold a table for which somebody else is in the way: with two seconds each, longer than any statement of ours runs."""

CLAIM_LOOKS: Final = 50
CLAIM_PAUSE_S: Final = 0.1
"""The server may need a moment to notice that the process before was killed."""

TOUCHPOINTS_MAX: Final = 20
"""In the comparison: those with most events."""

_COLUMNS: Final = np.dtype(
    [
        ("fields", ">i2"),
        ("l0", ">i4"), ("occurred", ">i8"),
        ("l1", ">i4"), ("key", "V16"),
        ("l2", ">i4"), ("identity", ">i8"),
        ("l3", ">i4"), ("leaf", ">i4"),
        ("l4", ">i4"), ("v", ">i4"),
        ("l5", ">i4"), ("q", ">i4"),
    ]
)  # fmt: skip


class Progress(NamedTuple):
    """The last rebuild, and how far it is."""

    number: int
    judged_by: str
    begun_at: datetime
    cursor: int
    """Events before this hour are judged."""
    events: int
    total: int
    changed: int
    refused: int
    moved_at: datetime
    built_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    """swapped, dropped, or None while it is under way."""

    @property
    def under_way(self) -> bool:
        """Whether it goes on."""
        return self.outcome is None


class Rows(NamedTuple):
    """Stored events, in the order of (time, key): their numbers, and their bodies as one JSON array."""

    occurred_us: Integers
    key: NDArray[np.bytes_]
    """16 bytes each."""
    identity: Integers
    leaf: Integers
    v: Integers
    q: Integers
    bodies: str


class Judged(NamedTuple):
    """What a portion has become."""

    identity: Integers
    """Of each row of the sums."""
    sums: Integers
    """Rows of tallies, each key once."""
    changed: Integers
    """Places of the events that are to be stored with other numbers."""
    leaf: Integers
    v: Integers
    q: Integers
    """Of all of its events."""
    bodies: Sequence[tuple[int, str]]
    """Places of events that are to be stored with another body, and that."""
    facts: Sequence[Fact]
    fact_leaves: Sequence[int]
    """The numbers of their leaves."""
    refused: int


class Portion(NamedTuple):
    """Whole hours, of which the identities are judged in so many parts."""

    since: int
    until: int
    parts: int


class Changed(NamedTuple):
    """Events of a touchpoint that are judged in another way: how many, and what they weighed on average, with their stakes."""

    touchpoint: str
    events: int
    before: float
    after: float


class Comparison(NamedTuple):
    """What a swap would change."""

    sums: int
    persons: int
    events_before: int
    """That the sums in use hold, of the time that scores remember."""
    events_after: int
    facts_before: int
    facts_after: int
    touchpoints: list[Changed]


class RebuildTable:
    """The statements of `rebuild` and of the tables that it works with; of the owner of the tables."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def last(self) -> Progress | None:
        """The last rebuild."""
        row = await self._say.row("rebuild_status")
        return None if row is None else Progress(*row)

    async def still_s(self) -> float | None:
        """Since when the one that is under way has not moved on, in seconds; None while there is none."""
        still_s: float | None = await self._say.value("rebuild_still")
        return still_s

    async def claim(self) -> None:
        """Be the one process that rebuilds, for as long as the connection lasts; raises ConfigurationError."""
        if not await self._say.value("owns_tables"):
            raise ConfigurationError(
                "a rebuild makes tables: set TACTUS_POSTGRES__DSN to the role that `tactus migrate` runs as"
            )
        for _ in range(CLAIM_LOOKS):
            if await self._say.value("one_rebuild"):
                return
            await asyncio.sleep(CLAIM_PAUSE_S)
        raise ConfigurationError("another process is rebuilding; `tactus rebuild status` shows how far it is")

    async def begin(self, judged_by: str) -> None:
        """Make the tables, and trace from here on what is stored meanwhile; raises ConfigurationError while a model takes over."""
        async with self._say.transaction() as transaction:
            row = await transaction.row("hold_pointer")
            if row is None:
                raise ConfigurationError("nothing has been counted yet: there is nothing to rebuild")
            if row["filling"] is not None:
                raise ConfigurationError(
                    "scores are being written anew: wait until `tactus model status` shows only which model is active"
                )
            await transaction.run("begin_rebuild", judged_by)
            await _patiently(transaction, "make_shadow")

    async def drop(self) -> None:
        """Give it up: what was read goes on to be."""
        async with self._say.transaction() as transaction:
            await _patiently(transaction, "drop_shadow")
            await transaction.run("end_rebuild", "dropped")

    async def next_portion(self, cursor: int) -> Portion:
        """The hours from here on that hold about as many events as are judged at once."""
        reached = await self._say.value("reach", _at(cursor), ROWS)
        if reached is None:
            return Portion(cursor, ALL_HOURS, 1)
        hour = int((reached - EPOCH) // timedelta(hours=1))
        if hour > cursor:
            return Portion(cursor, hour, 1)
        events = await self._say.value("events_to_judge", _at(cursor), _at(cursor + 1))
        return Portion(cursor, cursor + 1, -(-events // ROWS))

    async def forget_trace(self, portion: Portion) -> None:
        """Of these hours everything is read in this transaction that it sees."""
        await self._say.run("forget_trace", _at(portion.since), _at(portion.until))

    async def within(self, portion: Portion, part: int) -> Rows:
        """The events of a part of a portion."""
        words = {"since": _at(portion.since), "until": _at(portion.until), "parts": portion.parts, "part": part}
        return await self._rows(_filled(SQL["rows_within"], **words))

    async def catch(self) -> Rows:
        """The next events that came meanwhile."""
        with present():
            await self._say.session.execute(SQL["make_caught"])
        await self._say.run("catch", ROWS)
        return await self._rows(SQL["rows_caught"])

    async def traced(self) -> int:
        """How many came meanwhile and are not judged yet."""
        traced: int = await self._say.value("traced")
        return traced

    async def write(self, rows: Rows, judged: Judged, *, caught: bool) -> None:
        """Keep what a portion has become: of whole hours each sum is new, of caught events it may be there."""
        copied = tally_copy(judged.identity, judged.sums)
        if caught:
            with present():
                await self._say.session.execute(SQL["make_incoming_shadow"])
            await self._say.copy_in("incoming_shadow", copied)
            await self._say.run("add_shadow")
        else:
            await self._say.copy_in("tally_shadow", copied)
        if judged.facts:
            await self._say.copy_in("fact_shadow", fact_copy(judged.facts, judged.fact_leaves), columns=FACT_COLUMNS)
            await self._say.run("add_shadow_names", *names_of(judged.facts))
        if len(judged.changed):
            await self._say.copy_in("rebuild_change", _changes(rows, judged))
        if judged.bodies:
            await self._say.copy_in("rebuild_body", _bodies(rows, judged))

    async def move(self, cursor: int, *, events: int, changed: int, refused: int) -> None:
        """Note how far it is."""
        await self._say.run("move_rebuild", cursor, events, changed, refused)

    async def finish(self) -> None:
        """Give the sums their key: from here on they can be added to."""
        async with self._say.transaction() as transaction:
            await transaction.run("finish_shadow")

    async def compare(self, *, since_hour: int) -> Comparison:
        """Compare what is read with what would be."""
        async with self._say.as_of_one_moment() as say:
            [differ] = await say.rows("compare_shadow", since_hour)
            [held] = await say.rows("compare_events", since_hour)
            touchpoints = await say.rows("compare_touchpoints", TOUCHPOINTS_MAX)
            changed = [Changed(*row) for row in touchpoints]
            [facts] = await say.rows("compare_facts")
            return Comparison(
                differ["sums"],
                differ["persons"],
                held["before"],
                held["after"],
                facts["before"],
                facts["after"],
                changed,
            )

    async def room(self) -> tuple[int, str]:
        """How much room the sums take at present, in bytes and in words."""
        [row] = await self._say.rows("room_for_shadow")
        return row["bytes"], row["words"]

    async def folder(self) -> str | None:
        """Where the server keeps its tables; None where our role may not know."""
        try:
            with present():
                folder: str = await self._say.session.fetchval("SHOW data_directory")
        except ConfigurationError:
            return None
        return folder

    async def begin_swap(self) -> None:
        """In a transaction of its own: store what changed of events, and then let nobody store any before it ends."""
        await self._say.run("begin_swap")
        await self._say.run("analyze_changes")
        await self._apply()
        await _patiently(self._say, "hold_events")

    async def swap(self) -> None:
        """Let everybody read the other sums from the end of this transaction on, and have all scores written anew."""
        await self._apply()
        await _patiently(self._say, "hold_tallies")
        await self._say.run("swap_leavings")
        await self._say.rows("wait_for_activation")
        await self._say.rows("hold_pointer")
        await self._say.run("refill")
        await self._say.run("mark_all_accounts")
        await self._say.run("give_up_census")
        await self._say.run("drop_shadow")
        await self._say.run("end_rebuild", "swapped")

    async def _apply(self) -> None:
        await self._say.run("apply_changes")
        await self._say.run("apply_bodies")

    async def _rows(self, rows: str) -> Rows:
        output = BytesIO()
        with present():
            session = self._say.session
            await session.copy_from_query(_filled(SQL["columns_of_rows"], rows=rows), output=output, format="binary")
            bodies: str = await session.fetchval(_filled(SQL["bodies_of_rows"], rows=rows))
        copied = output.getbuffer()
        count = (len(copied) - len(HEADER) - 2) // _COLUMNS.itemsize
        raw = np.frombuffer(copied, dtype=_COLUMNS, count=count, offset=len(HEADER))
        identity, leaf, v, q = (raw[name].astype(np.int64) for name in ("identity", "leaf", "v", "q"))
        occurred_us = raw["occurred"].astype(np.int64) + POSTGRES_EPOCH_US
        return Rows(occurred_us, raw["key"].copy(), identity, leaf, v, q, bodies)


def _at(hour: int) -> datetime:
    return EPOCH + timedelta(hours=hour)


def _filled(statement: str, **words: object) -> str:
    """Put names, numbers and times, all of them ours, into a statement."""
    for name in sorted(words, key=len, reverse=True):
        statement = statement.replace(f"${name}", str(words[name]))
    return statement


async def _patiently(say: Statements, name: str) -> None:
    """Say a statement that must hold a table, again and again while somebody is in the way; within a transaction."""
    for _ in range(ATTEMPTS_MAX):
        try:
            async with say.transaction() as attempt:  # a savepoint
                await attempt.run("wait_briefly")
                await attempt.run(name)
        except UnavailableError as error:
            if not isinstance(error.__cause__, asyncpg.LockNotAvailableError | asyncpg.DeadlockDetectedError):
                raise
        else:
            return
    raise UnavailableError("somebody holds the tables for minutes: end what pg_stat_activity shows, and run it again")


def _changes(rows: Rows, judged: Judged) -> bytes:
    places = judged.changed
    return fixed_copy(
        [
            ("timestamptz", rows.occurred_us[places] - POSTGRES_EPOCH_US),
            ("uuid", rows.key[places]),
            ("integer", judged.leaf[places]),
            ("integer", judged.v[places]),
            ("integer", judged.q[places]),
        ]
    )


def _bodies(rows: Rows, judged: Judged) -> bytes:
    places = np.array([place for place, _ in judged.bodies], dtype=np.int64)
    fixed = fixed_rows(
        [("timestamptz", rows.occurred_us[places] - POSTGRES_EPOCH_US), ("uuid", rows.key[places])], extra_fields=1
    )
    return mixed_copy(fixed, [text_field(body) for _, body in judged.bodies])
