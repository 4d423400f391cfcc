"""What nobody reads any more goes, and no score is another one for it; whoever comes back afterwards is somebody new."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import numpy as np
import pytest
from pydantic import SecretStr

from services.aggregator.counting import forgetting
from services.core import scoring
from services.core.dimensions import Leaves
from services.core.facts import NO_FACTS
from services.core.tallies import Tallies, merge
from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import UnavailableError
from services.infra.settings import PostgresSettings
from services.state import retention
from services.state.database import Database
from services.state.pool import Statements
from services.state.queries import SQL
from services.state.retention import Busy, Round
from services.state.roles import WORKER
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.support.chunks import chunk, event
from tests.support.databases import as_role

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)
ALL = 1e11
"""Seconds: of walks that ended so long ago there is none."""

CATALOGUE = load_catalogue()
TALLY_COLUMNS = "t.leaf, t.hour, t.n, t.q, t.pos, t.neg, t.pos2, t.neg2, t.best, t.worst"


@pytest.fixture
async def store(postgres_dsn: str) -> AsyncIterator[Database]:
    """What a worker removes by, with a worker's rights."""
    opened = await Database.open(PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER))), lanes=1)
    yield opened
    await opened.close()


async def retire_all(store: Database) -> dict[str, int]:
    """Walk until no walk is due; returns how many rows went."""
    removed: dict[str, int] = {}
    while isinstance(done := await store.retire(again_after_s=ALL), Round):
        removed[done.subject] = removed.get(done.subject, 0) + done.removed
    assert done is None
    return {subject: rows for subject, rows in removed.items() if rows}


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


class Log:
    """One record after another, each at the time when it happened."""

    def __init__(self, worker: object) -> None:
        self.worker = worker
        self.offset = 0

    async def count(
        self,
        *identities: str,
        days: float,
        touchpoint: str = "order.completed",
        rating: int | None = None,
        keykind: str = "server",
    ) -> None:
        extra = {"rating": {"value": rating, "scale": "csat5"}} if rating else {}
        value = event(
            f"e{self.offset}",
            time=days_ago(days).isoformat(),
            identities=identities,
            touchpoint=touchpoint,
            extra=extra,
            envelope={"keykind": keykind},
        )
        at_ms = int(days_ago(days).timestamp() * 1000) + 1
        await self.worker.process(chunk([value], first=self.offset, at_ms=at_ms))  # type: ignore[attr-defined]
        self.offset += 1


async def read_at(database: asyncpg.Connection, *, days: float) -> dict[str, tuple[float, ...]]:
    """Everybody's score and confidence as of so many days ago, read from what is stored; without them whoever has none."""
    leaves = Leaves(CATALOGUE)
    rows = await database.fetch("SELECT id, touchpoint, channel, place FROM leaf")
    leaves.learn((row["id"], (row["touchpoint"], row["channel"], row["place"])) for row in rows)
    found = await database.fetch(
        f"SELECT n.value AS person, {TALLY_COLUMNS} FROM tally_row AS t JOIN identity AS i ON i.id = t.identity"  # noqa: S608 - ours
        " JOIN identity AS n ON n.id = i.person"
    )
    persons = sorted({row["person"] for row in found})
    owner = np.array([persons.index(row["person"]) for row in found], dtype=np.int64)
    matrix = np.array([list(row)[1:] for row in found], dtype=np.int64)
    whole, week = scoring.read(
        merge([Tallies(owner, matrix)]),
        facts=NO_FACTS,
        owners=len(persons),
        leaves=leaves,
        at_hour=int(days_ago(days).timestamp()) // 3600,
        parameters=CATALOGUE.parameters,
        windows_h=(None, 168),
    )
    columns = (whole.score, whole.confidence, whole.se, week.score)
    read = {person: tuple(float(column[place]) for column in columns) for place, person in enumerate(persons)}
    return {person: one for person, one in read.items() if one[1] > 0}


async def identities(database: asyncpg.Connection) -> set[str]:
    return {row[0] for row in await database.fetch("SELECT value FROM identity")}


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_removed_changes_no_score_and_no_count(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, store: Database, seed: int
) -> None:
    chance = random.Random(seed)
    log = Log(await open_pipeline())
    for days in sorted(chance.choice((0, 20, 380, 399, 405, 425, 440, 900)) + chance.random() for _ in range(60)):
        who = f"customer:c{chance.randrange(6)}"
        also = (f"anonymous:a{chance.randrange(4)}",) if chance.random() < 0.4 else ()
        await log.count(who, *also, days=days, touchpoint="survey.csat", rating=chance.randrange(1, 6))
    counts = (
        "SELECT topic, part, next, applied, duplicate, conflict, dead, erased FROM partition_progress ORDER BY 1, 2"
    )
    before = [await read_at(database, days=days) for days in (0, 7, 30)]
    counted = await database.fetch(counts)

    removed = await retire_all(store)

    assert removed.keys() >= {"stray_events", "tallies"}
    assert [await read_at(database, days=days) for days in (0, 7, 30)] == before
    assert before[0] != before[2]
    assert await database.fetch(counts) == counted
    hours = await database.fetchval("SELECT min(hour) FROM tally_row")
    assert int(days_ago(432).timestamp()) // 3600 < hours


async def test_people_to_whom_nothing_leads_are_forgotten_with_all_their_names(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, store: Database
) -> None:
    log = Log(await open_pipeline())
    await log.count("customer:gone", "anonymous:gone-too", days=500)
    await log.count("customer:here", "anonymous:old-name", days=500)
    await log.count("customer:here", days=3)
    # A device that two customers named: without their links it would be another customer's.
    await log.count("customer:first", "device:shared", days=600)
    await log.count("customer:second", "device:shared", days=550)
    await log.count("customer:second", days=1)
    before = await read_at(database, days=0)

    removed = await retire_all(store)

    assert removed["people"] == 2
    assert {"customer:gone", "anonymous:gone-too"}.isdisjoint(await identities(database))
    assert await identities(database) == {
        *("customer:here", "anonymous:old-name"),
        *("customer:first", "customer:second", "device:shared"),
    }
    assert await read_at(database, days=0) == before
    assert await database.fetchval("SELECT count(*) FROM link WHERE a NOT IN (SELECT id FROM identity)") == 0
    assert await database.fetchval("SELECT count(*) FROM person WHERE id NOT IN (SELECT id FROM identity)") == 0


async def test_a_worker_that_remembers_somebody_forgotten_counts_for_somebody_new(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, store: Database
) -> None:
    log = Log(await open_pipeline())
    await log.count("customer:back", "anonymous:a", days=500)
    await retire_all(store)
    assert await identities(database) == set()

    await log.count("customer:back", days=0, touchpoint="survey.csat", rating=1)
    await log.count("anonymous:a", "customer:back", days=0, touchpoint="survey.csat", rating=1)

    scores = await database.fetch("SELECT person_id, score FROM customer_score")
    assert [row["person_id"] for row in scores] == ["customer:back"]
    assert scores[0]["score"] == pytest.approx((await read_at(database, days=0))["customer:back"][0])
    assert await database.fetchval("SELECT sum(n) FROM tally") == 2


async def test_an_event_that_is_being_counted_keeps_its_person(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, store: Database
) -> None:
    log = Log(await open_pipeline())
    await log.count("customer:c", days=500)

    async with database.transaction():
        await database.execute("SELECT FROM person FOR NO KEY UPDATE")  # as a chunk does
        await retire_all(store)
        kept = await identities(database)
    counting = asyncio.create_task(log.count("customer:c", days=0))
    removing = asyncio.create_task(store.retire(again_after_s=0))
    await asyncio.gather(counting, removing)
    await retire_all(store)

    assert kept == {"customer:c"}
    assert await database.fetchval("SELECT string_agg(person_id, ' ') FROM customer_score") == "customer:c"
    assert await database.fetchval("SELECT sum(n) FROM tally") == 1


async def test_letters_changes_alerts_and_what_was_sent_go_in_their_time(
    database: asyncpg.Connection, store: Database
) -> None:
    for days in (29, 31, 89, 91, 430, 432):
        await database.execute(
            "INSERT INTO dead_letter (origin, reason, detail, topic, part, log_offset, at) VALUES ('ingest', 'r', '', 't', 0, $1, $2)",
            days,
            days_ago(days),
        )
        await database.execute(
            "INSERT INTO outbox (topic, key, created_at) VALUES ('t', 'k', $1)",
            days_ago(days),
        )
        await database.execute(
            "INSERT INTO score_change (version, at, model, persons, scores, confidences, bands)"
            " VALUES ($1, $2, 1, '{1}', '{50}', '{0}', '{0}')",
            days,
            days_ago(days),
        )
        at_us = round(days_ago(days).timestamp() * 1_000_000)
        await database.execute("INSERT INTO fact_name VALUES ($1, 1, $2)", f"order/{days}", at_us)
        await database.execute(
            "INSERT INTO fact VALUES (1, $1, NULL, 0, 1, 0, 0, 0, 'order', $2, '', 's', 'e')", at_us, f"order/{days}"
        )
        await database.execute(
            "INSERT INTO alert (id, rule, person, severity, state, opened_at, changed_at, closed_at, score_before, score,"
            " tipped_source, tipped_event, reasons) VALUES ($1, 'drop', 1, 'warning', 'closed', $2, $2, $2, 50, 40, 's', 'e', '[]')",
            uuid4(),
            days_ago(days),
        )

    foreseen = await retention.RetentionTable(Statements(database)).would_remove()
    removed = await retire_all(store)

    assert removed == {"dead_letters": 3, "outbox": 5, "score_changes": 5, "alerts": 1, "facts": 1, "fact_names": 1}
    assert {subject: rows for subject, rows in foreseen.items() if rows} == removed
    assert await retire_all(store) == {}


async def test_people_whose_empty_score_was_read_anew_until_lately_go_no_later(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, store: Database
) -> None:
    log = Log(await open_pipeline())
    for name in ("customer:gone", "customer:not-yet"):
        await log.count(name, days=500)
    read = int(days_ago(35).timestamp()) // 3600
    await database.execute(
        "INSERT INTO crm_record (connector, person, key, identity_hash, wish, version, score, band, rank, state)"
        " SELECT 'hubspot', id, value, '', 'score', 1, 50, 3, 2, 'sent' FROM identity"
    )
    empty = "UPDATE person SET as_of = $1, confidence = 0, confidence_90d = 0 FROM identity AS i WHERE i.id = person.id"
    await database.execute(f"{empty} AND i.value = 'customer:gone'", read)
    await database.execute(f"{empty} AND i.value = 'customer:not-yet'", read + 10 * 24)

    removed = await retire_all(store)

    assert removed["people"] == 1
    assert await identities(database) == {"customer:not-yet"}
    assert [row["key"] for row in await database.fetch("SELECT key FROM crm_record")] == ["customer:not-yet"]


async def test_what_a_crm_system_is_still_to_forget_outlives_the_person(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, store: Database
) -> None:
    await Log(await open_pipeline()).count("customer:erased", days=500)
    await database.execute(
        "INSERT INTO crm_record (connector, person, key, identity_hash, wish, version, score, band, rank, state)"
        " SELECT 'hubspot', id, value, 'h', 'score', 1, 50, 3, 2, 'sent' FROM identity"
    )
    await database.execute("INSERT INTO erased (identity_hash) VALUES ('h')")
    await database.execute(
        "UPDATE person SET as_of = $1, confidence = 0, confidence_90d = 0", int(days_ago(500).timestamp()) // 3600
    )

    await retire_all(store)

    assert await identities(database) == set()
    assert [row["key"] for row in await database.fetch("SELECT key FROM crm_record")] == ["customer:erased"]


async def test_months_go_whole_and_wait_for_nobody_who_reads(database: asyncpg.Connection, store: Database) -> None:
    await store.keep_house()
    await database.execute(
        "CREATE TABLE touchpoint_2020_02 PARTITION OF touchpoint_row FOR VALUES FROM ('2020-02-01') TO ('2020-03-01')"
    )
    row = "INSERT INTO touchpoint_row VALUES ($1, $1, $2, 1, 0, 1, 0, 0, 's', 'e', '{}')"
    for when in (datetime(2020, 2, 3, tzinfo=UTC), days_ago(420), days_ago(1)):
        await database.execute(row, when, uuid4())

    async with database.transaction():
        await database.execute("LOCK TABLE touchpoint_row IN ACCESS SHARE MODE")  # as a dump does
        with pytest.raises(UnavailableError):
            await store.retire(again_after_s=ALL)
    removed = await retire_all(store)

    assert removed == {"events": 1}
    assert await database.fetchval("SELECT to_regclass('touchpoint_2020_02')") is None
    assert await database.fetchval("SELECT count(*) FROM touchpoint_row") == 2
    assert (await store.keep_house()).months == []


async def test_a_walk_goes_on_where_it_was_stopped(
    database: asyncpg.Connection, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGES", 1)
    hour = int(days_ago(500).timestamp()) // 3600
    await database.execute(
        "INSERT INTO tally_row SELECT n, 1, $1, 1, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(1, 500) AS n", hour
    )
    first: list[Round] = []
    while not first or first[-1].subject != "tallies":
        done = await store.retire(again_after_s=ALL)
        assert isinstance(done, Round)
        first.append(done)

    other = await store.retire(again_after_s=ALL)

    assert not first[-1].ended
    assert isinstance(other, Round)
    assert other.subject == "tallies"
    assert 0 < first[-1].removed < 500
    assert first[-1].removed + other.removed + (await retire_all(store))["tallies"] == 500
    [walk] = [one for one in await retention.RetentionTable(Statements(database)).walks() if one.subject == "tallies"]
    assert walk.removed == 500


async def test_one_process_removes_at_a_time(database: asyncpg.Connection, store: Database) -> None:
    async with database.transaction():
        await database.execute("SELECT pg_advisory_xact_lock($1)", retention.LOCK)

        assert await store.retire(again_after_s=ALL) == Busy()


async def test_a_worker_removes_by_itself(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "EVERY_S", 0.01)
    monkeypatch.setattr(forgetting, "AGAIN_AFTER_S", 0.0)
    log = Log(await open_pipeline())

    await log.count("customer:c", days=500)

    for _ in range(500):
        if not await identities(database):
            break
        await asyncio.sleep(0.02)
    assert await identities(database) == set()


async def test_whatever_is_kept_about_somebody_keeps_them(database: asyncpg.Connection) -> None:
    """A table about persons or identities that has no line in `lives` would lose them to retention, unless it goes with them."""
    about = await database.fetch(
        "SELECT DISTINCT c.table_name FROM information_schema.columns AS c JOIN information_schema.tables AS t"
        " USING (table_schema, table_name) WHERE table_schema = 'public' AND t.table_type = 'BASE TABLE'"
        " AND c.data_type = 'bigint' AND c.column_name IN ('identity', 'person', 'contact', 'a', 'b')"
    )
    tables = {row[0] for row in about if not row[0].startswith("touchpoint_2") and row[0] != "touchpoint_other"}

    assert {"tally_row", "link", "alert"} <= tables
    kept_by_nobody = {one for one in tables - {"identity", "person"} if f"FROM {one} AS" not in SQL["lives"]}
    assert {one for one in kept_by_nobody if f" FROM {one} " not in SQL["forget_people"]} == set()
