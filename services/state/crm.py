"""What each CRM system was told of whom, what it said, and what is to be told next."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple
from uuid import UUID

from services.state.pool import Statements

MOVED_POINTS: Final = 3.0
"""A score that moves by less is told within a day: every write sets off workflows and history over there."""

AT_LEAST_DAILY: Final = timedelta(days=1)

Wish = Literal["score", "merged", "erased"]
RecordState = Literal["waiting", "sent", "absent", "failed"]


class Held(NamedTuple):
    """A connector that this process alone speaks for, for a while."""

    filled: int
    """Persons up to this number have their record."""
    filled_at: datetime | None
    paused_until: datetime | None
    trouble: str | None
    burst_level: float
    burst_at: datetime | None
    """None before a first call."""


class Standing(NamedTuple):
    """Somebody who is a person, or was one until it became part of another."""

    person: int
    name: str
    merged: bool
    winner: str
    known_as: str | None
    """The identity by which a system may know the record."""
    winner_known_as: str | None
    version: int
    score: float
    band: int


class Wanted(NamedTuple):
    """What a system is to know of somebody."""

    person: int
    key: str
    identity_hash: bytes
    wish: Wish
    merged_into: str | None
    version: int
    score: float
    band: int


class Due(NamedTuple):
    """A record that is to be written."""

    person: int
    key: str
    wish: Wish
    merged_into: str | None
    remote: str | None
    version: int
    score: float
    band: int
    tries: int


class Told(NamedTuple):
    """A record that a system has taken."""

    person: int
    wish: Wish
    words: str
    remote: str | None
    version: int
    score: float
    band: int
    sent: str
    """The fields as they were sent, as JSON."""


class NotTold(NamedTuple):
    """A record that a system has not taken; without a time it is not tried again by itself."""

    person: int
    state: RecordState
    words: str
    due_at: datetime | None


class Task(NamedTuple):
    """Something for a person to do about an alert."""

    alert: UUID
    customer: str
    subject: str
    description: str
    tries: int = 0


class Count(NamedTuple):
    """How many records of a connector are in a state, and since when the oldest of those that are due waits."""

    state: RecordState
    records: int
    waiting: int
    waits_since: datetime | None


class ConnectorStanding(NamedTuple):
    """How a connector stands."""

    holder: str | None
    held_until: datetime | None
    filled_at: datetime | None
    paused_until: datetime | None
    trouble: str | None
    trouble_since: datetime | None


class LastResult(NamedTuple):
    """What a system last said of a record."""

    key: str
    wish: Wish
    state: RecordState
    words: str | None
    answered_at: datetime | None
    tries: int
    due_at: datetime | None
    sent_version: int | None
    version: int


class Sent(NamedTuple):
    """A record as it was told last."""

    key: str
    remote: str | None
    sent: str
    sent_at: datetime


class CrmTable:
    """The statements of `crm_connector`, `crm_call`, `crm_record` and `crm_task`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def hold(self, connector: str, *, holder: str, now: datetime, until: datetime) -> Held | None:
        """Speak for a connector until then, alone; None while another process does."""
        row = await self._say.row("crm_hold", connector, holder, now, until)
        if row is None:
            return None
        held = Held(*row)
        return held._replace(burst_at=None if held.burst_at is None or held.burst_at.year == 1 else held.burst_at)

    async def let_go(self, connector: str, *, holder: str) -> None:
        """Let another process speak for it at once."""
        await self._say.run("crm_let_go", connector, holder)

    async def fill(self, connector: str, *, filled: int, at: datetime | None) -> None:
        """Note how far records of everybody are made."""
        await self._say.run("crm_filled", connector, filled, at)

    async def pause(self, connector: str, *, until: datetime, words: str, now: datetime) -> None:
        """Say nothing to a system until then."""
        await self._say.run("crm_pause", connector, until, words, now)

    async def untroubled(self, connector: str) -> None:
        """A system answers again."""
        await self._say.run("crm_untroubled", connector)

    async def calls(self, connector: str, *, after_hour: int) -> int:
        """How many calls were made in the hours after this one."""
        return int(await self._say.value("crm_calls", connector, after_hour))

    async def spend(self, connector: str, *, hour: int, calls: int, burst_level: float, at: datetime) -> None:
        """Count calls before they are made."""
        await self._say.run("crm_spend", connector, hour, calls, burst_level, at)

    async def count(self, connector: str, *, hour: int, calls: int) -> None:
        """Count calls that are made beside the work."""
        await self._say.run("crm_count", connector, hour, calls)

    async def persons_after(self, person: int, *, limit: int) -> list[int]:
        """Whoever comes next, by number."""
        return [row["id"] for row in await self._say.rows("crm_persons_after", person, limit)]

    async def standing(self, persons: Collection[int], *, kind: str) -> list[Standing]:
        """Everybody who is or was one of these people; `kind` is that of the identities that a system knows."""
        return [Standing(*row) for row in await self._say.rows("crm_standing", list(persons), kind)]

    async def erased(self, hashes: Collection[bytes]) -> set[bytes]:
        """Those of these who asked to be forgotten."""
        return {row["identity_hash"] for row in await self._say.rows("crm_erased", list(hashes))}

    async def want(self, connector: str, wanted: Collection[Wanted], *, now: datetime) -> None:
        """Note what a system is to know, each person once."""
        if wanted:
            columns = map(list, zip(*wanted, strict=True))
            await self._say.run("crm_want", connector, now, MOVED_POINTS, AT_LEAST_DAILY, *columns)

    async def forget_people(self, connector: str, persons: Collection[int]) -> None:
        """Drop their records here; the system is told nothing."""
        await self._say.run("crm_forget_people", connector, list(persons))

    async def erasures(self) -> tuple[int, datetime | None]:
        """How many have asked to be forgotten, and when the last of them did."""
        [row] = await self._say.rows("crm_erasures")
        return row["erasures"], row["last"]

    async def want_erased(self, connector: str, *, now: datetime) -> int:
        """Let a system forget whoever asked to be forgotten; how many these are."""
        return await self._say.run("crm_want_erased", connector, now)

    async def due(self, connector: str, *, now: datetime, limit: int) -> list[Due]:
        """The records to write first: who must be known no more, then the band that changed longest ago, then the rest."""
        return [Due(*row) for row in await self._say.rows("crm_due", connector, now, limit)]

    async def told(self, connector: str, told: Collection[Told], *, now: datetime) -> None:
        """Note what a system has taken."""
        if told:
            columns = map(list, zip(*told, strict=True))
            await self._say.run("crm_sent", connector, now, MOVED_POINTS, AT_LEAST_DAILY, *columns)

    async def not_told(self, connector: str, records: Collection[NotTold], *, now: datetime) -> None:
        """Note what it has not taken, and why."""
        if records:
            await self._say.run("crm_not_sent", connector, now, *map(list, zip(*records, strict=True)))

    async def note_remotes(self, connector: str, remotes: Sequence[tuple[str, str]]) -> None:
        """Keep the system's own numbers of records, by their keys."""
        if remotes:
            await self._say.run("crm_note_remote", connector, *map(list, zip(*remotes, strict=True)))

    async def want_task(self, connector: str, task: Task, *, now: datetime) -> None:
        """Note a task; one an alert."""
        await self._say.run("crm_want_task", connector, task.alert, task.customer, task.subject, task.description, now)

    async def tasks_due(self, connector: str, *, now: datetime, limit: int) -> list[Task]:
        """The tasks to open next."""
        return [Task(*row) for row in await self._say.rows("crm_tasks_due", connector, now, limit)]

    async def task_answered(
        self, connector: str, alert: UUID, *, state: RecordState, words: str, now: datetime, due_at: datetime | None
    ) -> None:
        """Note what a system said of a task."""
        await self._say.run("crm_task_answered", connector, alert, state, words, now, due_at)

    async def counts(self, connector: str, *, now: datetime) -> list[Count]:
        """How many records are in which state."""
        return [Count(*row) for row in await self._say.rows("crm_counts", connector, now)]

    async def connector(self, connector: str) -> ConnectorStanding | None:
        """How a connector stands; None when nobody has spoken for it yet."""
        row = await self._say.row("crm_connector_standing", connector)
        return None if row is None else ConnectorStanding(*row)

    async def results(self, connector: str, *, state: str | None, key: str | None, limit: int) -> list[LastResult]:
        """What a system last said of records, the newest first."""
        return [LastResult(*row) for row in await self._say.rows("crm_records", connector, state, key, limit)]

    async def sample(self, connector: str, *, limit: int) -> list[Sent]:
        """Some records of which the system knows all, as they were told last."""
        return [Sent(*row) for row in await self._say.rows("crm_sample", connector, limit)]

    async def redrive(self, connector: str, *, state: str | None, key: str | None, now: datetime) -> int:
        """Let records be told again, and tasks with them when no key is named; how many these are."""
        records = await self._say.run("crm_redrive", connector, now, state, key)
        return records + (0 if key else await self._say.run("crm_redrive_tasks", connector, now))
