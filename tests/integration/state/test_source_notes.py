"""What chunks note of their sources on a real database: folded once, in any order, within bounds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from services.core.rhythm import Health
from services.infra.settings import PostgresSettings
from services.state import source_notes
from services.state.database import Database
from services.state.pool import Statements
from services.state.roles import WORKER
from services.state.source_health import SourceTables, TillTotals
from services.state.source_notes import HourNote, NameNote, SourceNote, TillNote
from tests.support.databases import as_role

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)
NOW_MS = int(NOW.timestamp() * 1000)
HOUR = NOW_MS // 3_600_000
DAY = NOW.date()


@pytest.fixture
async def store(postgres_dsn: str) -> AsyncIterator[Database]:
    dsn = SecretStr(as_role(postgres_dsn, WORKER))
    opened = await Database.open(PostgresSettings(dsn=dsn), lanes=2)
    yield opened
    await opened.close()


@pytest.fixture
async def connection(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(postgres_dsn)
    yield opened
    await opened.close()


@pytest.fixture
def tables(connection: asyncpg.Connection) -> SourceTables:
    return SourceTables(Statements(connection))


def brought(source: str = "web", *, hour: int = HOUR, **counts: Any) -> SourceNote:  # noqa: ANN401 - HourNote's own
    at_ms = min(hour * 3_600_000 + 1_800_000, NOW_MS)
    note = HourNote(source, hour, **{"live": 1, "first_ms": at_ms, "last_ms": at_ms, **counts})
    return SourceNote(hours=[note])


def till(low: int, high: int, *, name: str = "store/042/3", day: date = DAY, clock_ms: int | None = None) -> SourceNote:
    note = TillNote(name, day.isoformat(), low, high, NOW_MS, clock_ms)
    return SourceNote(hours=brought(name.partition("/")[0]).hours, tills=[note])


async def note(store: Database, *notes: SourceNote) -> None:
    for one in notes:
        async with store.transaction() as transaction:
            await transaction.notes.add(one)


async def fold(store: Database) -> None:
    while await store.fold_notes():
        pass


async def everything(connection: asyncpg.Connection) -> list[list[asyncpg.Record]]:
    return [
        await connection.fetch("SELECT * FROM source_seen ORDER BY source"),
        await connection.fetch("SELECT * FROM source_hour ORDER BY source, hour"),
        await connection.fetch("SELECT * FROM unknown_name ORDER BY source, touchpoint"),
        await connection.fetch("SELECT * FROM till_day ORDER BY day, till"),
    ]


async def test_a_source_is_the_sum_of_what_its_chunks_noted(store: Database, tables: SourceTables) -> None:
    first, last = NOW_MS - 3_600_000, NOW_MS - 1_000
    await note(
        store,
        brought(live=5, timed=2, ahead=1, clock_ms=-70_000, first_ms=first + 9, last_ms=last),
        brought(live=0, late=3, rejected=2, timed=1, clock_ms=250, first_ms=first, last_ms=last - 5),
        brought(hour=HOUR - 30, live=100, first_ms=first + 1, last_ms=first + 1),
        SourceNote(hours=[HourNote("shop", HOUR, rejected=4)]),
    )

    await fold(store)

    shop, web = await tables.health(now=NOW)
    assert (shop.source, shop.first_at, shop.health, shop.day.rejected_share) == ("shop", None, Health.NEVER, 1.0)
    assert (web.first_at, web.last_at) == tuple(datetime.fromtimestamp(at / 1000, UTC) for at in (first, last))
    assert web.day[:] == (5, 3, 2, 3, 1, -70_000)
    assert (web.health, web.expected) == (Health.OK, None)


async def test_notes_fold_to_the_same_whatever_their_order_and_portions(
    store: Database, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(7)
    notes = [
        SourceNote(
            hours=brought(source, live=rng.randint(0, 9), clock_ms=rng.choice([None, -5, 7])).hours,
            names=[NameNote(source, rng.choice(["x.a", "x.b"]), rng.randint(1, 9), NOW_MS - rng.randint(0, 99))],
            tills=till(low := rng.randint(1, 60), low + rng.randint(0, 3), name=f"{source}/1/1").tills,
        )
        for source in rng.choices(["store", "web"], k=60)
    ]
    await note(store, *notes)
    await fold(store)
    expected = await everything(connection)
    await connection.execute("TRUNCATE source_seen, source_hour, unknown_name, till_day")

    monkeypatch.setattr(source_notes, "NOTES_MAX", 7)
    rng.shuffle(notes)
    await note(store, *notes)
    await fold(store)

    assert await everything(connection) == expected
    assert all(expected)


async def test_what_a_transaction_noted_counts_only_with_it_and_is_folded_once(
    store: Database, tables: SourceTables
) -> None:
    async def fail() -> None:
        async with store.transaction() as transaction:
            await transaction.notes.add(brought(live=1000))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await note(store, *[brought(live=1)] * 40)

    await asyncio.gather(*(fold(store) for _ in range(3)))
    await fold(store)

    [web] = await tables.health(now=NOW)
    assert web.day.live == 40
    assert await tables.notes_waiting() == 0


async def test_two_chunks_of_a_source_do_not_wait_for_each_other(store: Database, tables: SourceTables) -> None:
    async with asyncio.timeout(20), store.transaction() as one:
        await one.notes.add(brought())
        async with store.transaction() as other:
            await other.notes.add(brought())
        await fold(store)
        [before] = await tables.health(now=NOW)
    await fold(store)
    [after] = await tables.health(now=NOW)

    assert (before.day.live, after.day.live) == (1, 2)


async def test_a_source_is_judged_by_its_own_rhythm(store: Database, tables: SourceTables) -> None:
    def steady(source: str, *, until: int) -> list[HourNote]:
        past = range(HOUR - 4 * 168, until)
        return [brought(source, hour=hour, live=20).hours[0] for hour in past]

    hours = [*steady("well", until=HOUR + 1), *steady("gone", until=HOUR - 5), *steady("less", until=HOUR - 24)]
    hours += [brought("less", hour=hour, live=1).hours[0] for hour in range(HOUR - 24, HOUR + 1)]
    hours += [brought("young", hour=HOUR - 100, live=20).hours[0]]
    await note(store, SourceNote(hours=hours))

    await fold(store)

    found = {one.source: one for one in await tables.health(now=NOW)}
    assert {name: one.health for name, one in found.items()} == {
        "gone": Health.SILENT,
        "less": Health.QUIET,
        "well": Health.OK,
        "young": Health.OK,
    }
    due = found["well"].expected
    assert due is not None
    assert 23 * 20 <= due <= 24 * 20
    assert found["young"].expected is None


async def test_unknown_names_are_counted_by_source_until_they_are_declared(
    store: Database, tables: SourceTables
) -> None:
    names = [NameNote("web", "x.ordr_completed", 3, NOW_MS), NameNote("web", "survey.cast", 1, NOW_MS)]
    await note(store, *[SourceNote(hours=brought().hours, names=names)] * 2)

    await fold(store)

    told = [one[:3] for one in await tables.unknown_names(declared=())]
    assert told == [("web", "x.ordr_completed", 6), ("web", "survey.cast", 2)]
    assert len(await tables.unknown_names(declared={"survey.cast"})) == 1


async def test_names_sources_and_tills_that_somebody_invents_are_bounded(
    store: Database, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound, most in (("NAMES_MAX", 10), ("SOURCES_MAX", 5), ("TILLS_MAX", 4), ("RUNS_MAX", 20)):
        monkeypatch.setattr(source_notes, bound, most)
    known = SourceNote(hours=brought().hours, names=[NameNote("web", "x.known", 1, NOW_MS)])
    await note(store, known)
    await fold(store)
    made_up = [f"{number:03}" for number in range(50)]

    for names in (made_up[:25], made_up):
        flood = [NameNote("web", f"x.{name}", 1, NOW_MS) for name in names]
        await note(store, SourceNote(hours=brought().hours, names=flood), known)
        await note(store, *(brought(f"s{name}") for name in names))
        await note(store, *(till(1, 1, name=f"web/{name}/1") for name in names))
        await note(store, *(till(3 * n, 3 * n, name="web/000/1") for n in range(len(names))))
        await fold(store)

    counts = [len(rows) for rows in await everything(connection)]
    assert counts == [5, 5, 10, 4]
    assert await connection.fetchval("SELECT events FROM unknown_name WHERE touchpoint = 'x.known'") == 3
    runs = "SELECT crowded, (SELECT count(*) FROM unnest(numbers)) FROM till_day WHERE till = 'web/000/1'"
    [(crowded, kept)] = await connection.fetch(runs)
    assert (crowded, kept <= 20) == (True, True)


async def test_numbers_of_a_till_that_never_came_are_found_over_all_its_requests(
    store: Database, tables: SourceTables
) -> None:
    await note(store, till(1, 3), till(7, 7), till(9, 12), till(3, 3), till(100, 200, day=DAY - timedelta(days=1)))
    await fold(store)

    [trouble] = await tables.till_troubles()
    assert (trouble.till, trouble.day, trouble.missing, trouble.crowded) == ("store/042/3", DAY, 4, False)
    assert list(trouble.holes) == ["4–6", "8"]
    assert await tables.till_totals() == [TillTotals("store", 1, 4, None)]

    await note(store, till(4, 6), till(8, 8))
    await fold(store)

    assert await tables.till_troubles() == []
    assert await tables.till_totals() == [TillTotals("store", 1, 0, None)]


async def test_a_tills_clock_is_that_of_its_last_day(store: Database, tables: SourceTables) -> None:
    before = DAY - timedelta(days=1)
    await note(
        store,
        till(1, 1, day=before, clock_ms=-900_000),
        till(1, 1, clock_ms=4_000_000),
        till(2, 2, clock_ms=300),
        till(1, 1, name="store/042/4", clock_ms=-320_000),
    )

    await fold(store)

    [trouble] = await tables.till_troubles()
    assert (trouble.till, trouble.day, trouble.clock_ms) == ("store/042/4", DAY, -320_000)
    assert await tables.till_totals() == [TillTotals("store", 2, 0, -320_000)]


async def test_what_no_reading_asks_for_is_forgotten(store: Database, connection: asyncpg.Connection) -> None:
    ago_ms = NOW_MS - 31 * 24 * 3_600_000
    old = SourceNote(
        hours=brought(hour=HOUR - 71 * 24).hours,
        names=[NameNote("web", "x.old", 1, ago_ms), NameNote("web", "x.new", 1, NOW_MS)],
        tills=[*till(1, 1, name="web/1/1", day=DAY - timedelta(days=91)).tills, *till(1, 1, name="web/1/1").tills],
    )
    await note(store, old, brought())
    await fold(store)

    await store.keep_house()

    seen, hours, names, tills = await everything(connection)
    assert ([row["hour"] for row in hours], [row["touchpoint"] for row in names]) == ([HOUR], ["x.new"])
    assert [row["day"] for row in tills] == [DAY]
    assert [row["source"] for row in seen] == ["web"]


async def test_a_note_that_cannot_be_folded_stays(
    store: Database, tables: SourceTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    await note(store, brought())

    async def broken(_say: Statements, _notes: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(source_notes, "_fold", broken)
    with pytest.raises(ZeroDivisionError):
        await store.fold_notes()
    assert await tables.notes_waiting() == 1
    monkeypatch.undo()

    await fold(store)

    assert len(await tables.health(now=NOW)) == 1
