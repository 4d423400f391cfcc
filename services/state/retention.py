"""Remove what nobody reads any more, portion after portion: it never changes a score, and never stands before the work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg

from services.state.pool import LEND_S, Statements, lent, present
from services.state.queries import SQL

LOCK: Final = 7_241_005_519
"""Advisory lock of whoever removes; any number that no other program uses."""

LOCK_WAIT: Final = "SET LOCAL lock_timeout = '2s'"
"""Dropping a month waits for whoever reads events, and everybody behind it waits too: the next round may have more luck."""

PAGES: Final = 1024
"""Looked at in one transaction: 8 MiB, some hundredths of a second."""

PERSON_PAGES: Final = 64
"""As many as two thousand persons, each of whom costs a look into every table."""


class Subject(NamedTuple):
    """Rows that are removed once they are old."""

    name: str
    table: str
    old: str
    """The query that says which rows are."""
    kept: str
    """For how long they are kept, in words."""


EVENTS: Final = "events"
STRAYS: Final = "stray_events"
PEOPLE: Final = "people"

ROWS: Final = (
    Subject("tallies", "tally_row", "old_tallies", "431 days"),
    Subject("facts", "fact", "old_facts", "431 days"),
    Subject("fact_names", "fact_name", "old_fact_names", "431 days after the latest fact"),
    Subject("score_changes", "score_change", "old_score_changes", "30 days, and until they are in their topic"),
    Subject("alerts", "alert", "old_alerts", "431 days once closed"),
    Subject("contact_roles", "contact_role", "old_contact_roles", "431 days, but for each contact's last"),
    Subject("dead_letters", "dead_letter", "old_dead_letters", "90 days"),
    Subject("deliveries", "webhook_delivery", "old_deliveries", "30 days"),
    Subject("outbox", "outbox", "old_outbox", "30 days, and until they are in their topic"),
)
"""Tables that are walked page by page: an index by time would cost every event more than the walk does once a day."""

SUBJECTS: Final[Mapping[str, str]] = {
    EVENTS: "431 days, by whole months",
    STRAYS: "431 days",
    **{one.name: one.kept for one in ROWS},
    PEOPLE: "while anything leads to them",
}
"""All that is removed, and for how long it is kept. People last: what led to them is gone by then."""

_ROWS_OF: Final = {one.name: one for one in ROWS}


class Round(NamedTuple):
    """What a round has done."""

    subject: str
    removed: int
    ended: bool
    """Whether the subject's walk has come to its end."""


class Walk(NamedTuple):
    """How it stands with a subject."""

    subject: str
    removed: int
    """Rows, since ever."""
    ended_at: datetime
    """When its last walk came to the end; before the first did, when that began."""


class RetentionTable:
    """The statements of `retention`; those that remove, within a transaction."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def walks(self) -> list[Walk]:
        """How far the walks are."""
        return [Walk(*row) for row in await self._say.rows("walks")]

    async def walk_anew(self) -> None:
        """Let every walk begin at its beginning."""
        await self._say.run("know_subjects", list(SUBJECTS))
        await self._say.run("walk_anew", list(SUBJECTS))

    async def go_on(self, *, again_after_s: float) -> Round | None:
        """Do a portion of a walk that is under way, or of one that ended so long ago; None when none is due."""
        await self._say.run("know_subjects", list(SUBJECTS))
        row = await self._say.row("next_walk", list(SUBJECTS), again_after_s)
        if row is None:
            return None
        subject, page = row
        portion = await _Portions(self._say).do(subject, page)
        await self._say.run("note_walk", subject, portion.next, portion.removed, portion.ended)
        return Round(subject, portion.removed, portion.ended)

    async def would_remove(self) -> dict[str, int]:
        """Count what is old at present; changes nothing. Of whole months it is an estimate."""
        found: dict[str, int] = {EVENTS: await self._say.value("count_old_months")}
        tables = ((STRAYS, "touchpoint_row", "old_strays"), *((one.name, one.table, one.old) for one in ROWS))
        for name, table, old in tables:
            found[name] = await _value(self._say, "count_rows", table=table, old=SQL[old])
        found[PEOPLE] = await _value(self._say, "count_people", quiet=SQL["quiet"], lives=SQL["lives"])
        return found


class _Portion(NamedTuple):
    next: int
    removed: int
    ended: bool


@dataclass(frozen=True)
class _Portions:
    """One portion of each kind of walk."""

    say: Statements

    async def do(self, subject: str, page: int) -> _Portion:
        if subject == EVENTS:
            await self.say.session.execute(LOCK_WAIT)
            return _Portion(0, await self.say.value("drop_old_months"), ended=True)
        if subject == STRAYS:
            return await self._walk("touchpoint_other", page, PAGES, self._strays)
        if subject == PEOPLE:
            return await self._walk("person", page, PERSON_PAGES, self._people)
        of = _ROWS_OF[subject]
        statement = _filled("forget_rows", table=of.table, old=SQL[of.old])

        async def rows(lower: int, upper: int) -> int:
            with present():
                tag: str = await self.say.session.execute(statement, lower, upper)
            return int(tag.rpartition(" ")[2])

        return await self._walk(of.table, page, PAGES, rows)

    async def _walk(self, table: str, page: int, pages: int, remove: Callable[[int, int], Awaitable[int]]) -> _Portion:
        upper = page + pages
        removed = await remove(page, upper)
        return _Portion(upper, removed, ended=upper >= await self.say.value("pages_of", table))

    async def _strays(self, lower: int, upper: int) -> int:
        removed: int = await self.say.value("forget_strays", lower, upper)
        return removed

    async def _people(self, lower: int, upper: int) -> int:
        """Remove persons of whom nothing is left; whoever counts for one of them meanwhile looks its names up anew."""
        with present():
            quiet = await self.say.session.fetch(_filled("quiet_persons", quiet=SQL["quiet"]), lower, upper)
            persons = [row["id"] for row in quiet]
            # In a statement that begins after they are held: what a worker has just committed for one of them is seen.
            dead = await self.say.session.fetch(_filled("dead_names", lives=SQL["lives"]), persons) if persons else []
        return await self.say.run("forget_people", [row["id"] for row in dead]) if dead else 0


def _filled(query: str, **words: str) -> str:
    """Put names and conditions, all of them ours, into a query."""
    statement = SQL[query]
    for name, word in words.items():
        statement = statement.replace(f"${name}", word)
    return statement


async def _value(say: Statements, query: str, **words: str) -> int:
    with present():
        value: int = await say.session.fetchval(_filled(query, **words))
    return value


class Busy(NamedTuple):
    """Another process is removing at this moment."""


async def retire(pool: asyncpg.Pool, *, again_after_s: float) -> Round | Busy | None:
    """Do a portion in a transaction of its own; None when nothing is due. Raises UnavailableError."""
    with present():
        async with lent(pool, within_s=LEND_S) as connection, connection.transaction():
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                return Busy()
            return await RetentionTable(Statements(connection)).go_on(again_after_s=again_after_s)


def removed_since(before: Sequence[Walk], after: Sequence[Walk]) -> dict[str, int]:
    """Rows that were removed between two looks, by whoever it was."""
    then = {one.subject: one.removed for one in before}
    return {one.subject: one.removed - then.get(one.subject, 0) for one in after}
