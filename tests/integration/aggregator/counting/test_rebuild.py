"""What is stored is judged anew while events go on to be counted: the result is that of who had the later rules from the start."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.topics import DLQ, EVENT_TOPICS
from services.aggregator.counting import filling
from services.aggregator.counting.filling import Filling, Step
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.aggregator.rebuilding.building import Rebuilding
from services.aggregator.rebuilding.judging import Judge
from services.core.catalogue import Catalogue
from services.core.classes import NO_RULES
from services.core.valence import Const
from services.infra.catalogue.reading import load_catalogue
from services.infra.classes.staffed import rules_for
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError
from services.infra.settings import PostgresSettings
from services.state import rebuilding
from services.state.activation import ActivationTable, take_over
from services.state.database import Database
from services.state.models import ModelTable
from services.state.pool import connected
from services.state.rebuilding import Progress, RebuildTable
from services.state.roles import READER, WORKER
from tests.contract.aggregator.test_reclassed import AFTER, BEFORE, STAFF
from tests.integration.state.test_migrations import SHAPE
from tests.support.chunks import chunk, event
from tests.support.clocks import StandingClock
from tests.support.databases import Databases, as_role
from tests.support.promises import promise_catalogue
from tests.support.readapi import opened_store
from tests.support.said_log import END, SaidLog
from tests.support.senders import HASH_KEY
from tests.support.visitors import classes_of, logged, sources_with, traffic

pytestmark = pytest.mark.integration

OURS = load_catalogue()
with TemporaryDirectory() as _folder:
    PROMISING = promise_catalogue(Path(_folder))
LATER = replace(
    PROMISING,
    entries={
        **PROMISING.entries,
        "web.error_shown": replace(OURS.entries["web.error_shown"], valence=Const(-0.9)),
        "order.completed": replace(PROMISING.entries["order.completed"], valence=Const(0.7), channel="shop"),
        "survey.csat": replace(OURS.entries["survey.csat"], channel="asked"),
    },
)
AT_MS = StandingClock().now_us() // 1000
CHUNK = 40

TALLIES = "SELECT * FROM tally ORDER BY identity, touchpoint, channel, place, hour"
EVENTS = (
    "SELECT source, event_id, identity, touchpoint, channel, occurred_at, valence, stake FROM touchpoint ORDER BY 1, 2"
)
SCORES = "SELECT person_id, score, confidence, se, band, score_24h, score_7d, score_30d, score_90d FROM customer_score ORDER BY 1"
FACTS = (
    "SELECT i.value, f.*, l.* FROM (SELECT identity, leaf AS number, occurred_us, due_us, received_hour, v, q, role, kind, key,"
    " part, source, event_id FROM fact) AS f JOIN identity AS i ON i.id = f.identity"
    " JOIN (SELECT id AS number, touchpoint, channel, place FROM leaf) AS l USING (number)"
)
NAMES = "SELECT name, facts, latest_us FROM fact_name ORDER BY name"
BODIES = "SELECT body FROM touchpoint_row ORDER BY key"


class Looked(NamedTuple):
    """All that a database knows of its people."""

    tallies: Sequence[asyncpg.Record]
    events: Sequence[asyncpg.Record]
    scores: Sequence[asyncpg.Record]
    bodies: Sequence[asyncpg.Record]
    facts: Sequence[tuple[object, ...]]
    names: Sequence[asyncpg.Record]


async def look(dsn: str) -> Looked:
    database = await asyncpg.connect(dsn)
    try:
        tallies, events_, scores, bodies, names = [
            await database.fetch(query) for query in (TALLIES, EVENTS, SCORES, BODIES, NAMES)
        ]
        numbers = ("identity", "number", "number_1")
        facts = [
            tuple(value for name, value in row.items() if name not in numbers) for row in await database.fetch(FACTS)
        ]
        return Looked(tallies, events_, scores, bodies, sorted(facts, key=repr), names)
    finally:
        await database.close()


class Worker:
    """A pipeline that counts chunk after chunk of one partition, and fills scores when it is told to."""

    def __init__(self, store: Database, pipeline: Pipeline, *, part: int) -> None:
        self.store = store
        self.pipeline = pipeline
        self._part = part
        self._offset = 0

    async def count(self, values: Sequence[bytes]) -> None:
        for first in range(0, len(values), CHUNK):
            taken = values[first : first + CHUNK]
            await self.pipeline.process(chunk(taken, first=self._offset, part=self._part, at_ms=AT_MS))
            self._offset += len(taken)

    async def fill(self, catalogue: Catalogue) -> None:
        fills = Filling(self.store, catalogue, portion=3)
        while await fills.step() is not Step.IDLE:
            pass


@asynccontextmanager
async def worker_on(dsn: str, catalogue: Catalogue, *, part: int, fills: bool = False) -> AsyncIterator[Worker]:
    store = await Database.open(PostgresSettings(dsn=SecretStr(as_role(dsn, WORKER))), lanes=2)
    log = SaidLog(store)
    pipeline = await Pipeline.on(store, log, catalogue, cache_rows_max=10_000, clock=SystemClock())
    if not fills:
        await pipeline._filling.stop()
    await pipeline.take_ownership({(topic, part): Bounds(0, END) for topic in (*EVENT_TOPICS, DLQ)})
    try:
        yield Worker(store, pipeline, part=part)
    finally:
        await pipeline.close()


@asynccontextmanager
async def rebuilding_on(dsn: str, judge: Judge) -> AsyncIterator[tuple[Rebuilding, RebuildTable]]:
    async with connected(dsn, application="test") as statements, connected(dsn, application="test") as names:
        table = RebuildTable(statements)
        await table.claim()
        yield Rebuilding(statements, names, judge), table


@pytest.fixture
async def two(databases: Databases) -> AsyncIterator[tuple[str, str]]:
    """Two databases without rows."""
    names = [await databases.create() for _ in range(2)]
    yield databases.server.dsn_of(names[0]), databases.server.dsn_of(names[1])
    for name in names:
        await databases.drop(name)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Portions of a few events, so that there are many, and hours that are larger than one."""
    monkeypatch.setattr(rebuilding, "ROWS", 7)
    monkeypatch.setattr(rebuilding, "CAUGHT_LEFT_MAX", 3)


def quiet(_: Progress) -> None:
    """Nobody is told."""


async def rebuilt(dsn: str, judge: Judge) -> None:
    async with rebuilding_on(dsn, judge) as (rebuild, table):
        await table.begin("test")
        await rebuild.build(quiet)
        await rebuild.swap()


def events(chance: Random, count: int, *, first: int = 0) -> list[bytes]:
    """Events of twelve people at sixty hours, some of them named twice, some without a channel of their own."""
    values = []
    for number in range(first, first + count):
        hour = chance.randrange(60)
        identities = (
            f"customer:c{chance.randrange(12)}",
            *((f"anonymous:a{chance.randrange(5)}",) * (chance.random() < 0.3)),
        )
        touchpoint = chance.choice(("order.completed", "delivery.delivered", "web.error_shown", "survey.csat", "x.own"))
        extra: dict[str, object] = {"channel": chance.choice(("", "web"))}
        if touchpoint == "survey.csat":
            extra["rating"] = {"value": chance.randrange(1, 6)}
        if touchpoint in ("order.completed", "delivery.delivered"):
            extra |= {"order": f"o{chance.randrange(40)}", "properties": {"promised_at": "2026-06-02T12:00:00Z"}}
        time = f"2026-06-{1 + hour // 24:02}T{hour % 24:02}:{chance.randrange(60):02}:00Z"
        values.append(
            event(
                f"e{number}",
                time=time,
                identities=identities,
                touchpoint=touchpoint,
                extra=extra,
                envelope={"keykind": "server"},
            )
        )
    return values


async def from_the_start(dsn: str, values: Sequence[bytes]) -> Looked:
    async with worker_on(dsn, LATER, part=0) as worker:
        await worker.count(values)
    return await look(dsn)


async def test_later_rules_on_classes_and_valences_hold_as_if_they_had_from_the_start(
    two: tuple[str, str], tmp_path: Path
) -> None:
    sent = traffic(Random(3), 160)
    before, after = classes_of(tmp_path, BEFORE), classes_of(tmp_path, AFTER)
    late = sources_with(STAFF)
    rules = rules_for(after, late, hash_key=HASH_KEY.encode())
    async with worker_on(two[0], OURS, part=0) as worker:
        await worker.count(await logged(sent, classes=before, sources=sources_with({})))
        then = await look(two[0])

        await rebuilt(two[0], Judge(LATER, rules))
        await worker.fill(LATER)

    now = await look(two[0])
    assert now == await from_the_start(two[1], await logged(sent, classes=after, sources=late))
    assert now.tallies != then.tallies
    assert now.bodies != then.bodies
    assert now.scores != then.scores


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_counted_meanwhile_is_judged_as_well_and_counted_once(two: tuple[str, str], seed: int) -> None:
    chance = Random(seed)
    values = events(chance, 600)
    async with worker_on(two[0], OURS, part=0) as early, worker_on(two[0], LATER, part=1) as late:
        await early.count(values[:200])
        async with rebuilding_on(two[0], Judge(LATER, NO_RULES)) as (rebuild, table):
            await table.begin("test")
            # One worker still judges by the former catalogue: what it counts is judged anew as well.
            await asyncio.gather(rebuild.build(quiet), early.count(values[200:350]), late.count(values[350:450]))
            await asyncio.gather(rebuild.swap(), late.count(values[450:550]))
        await late.count(values[550:])
        await late.fill(LATER)

    now = await look(two[0])
    assert now == await from_the_start(two[1], values)
    assert len(now.facts) > 100
    assert now.names


class Killer:
    """Starts rebuilds as processes of their own, and kills them, and the workers' connections, at any moment."""

    def __init__(self, dsn: str, folder: Path, database: asyncpg.Connection, chance: Random) -> None:
        (folder / "sources.toml").touch()
        self._environment = {
            **os.environ,
            "TACTUS_POSTGRES__DSN": dsn,
            "TACTUS_SOURCES": str(folder / "sources.toml"),
        }
        self._database = database
        self._chance = chance

    async def kill_one(self) -> bool:
        """Whether it was killed, and had not come to its end."""
        process = await self._started()
        await asyncio.sleep(self._chance.uniform(0.05, 0.8))
        await self._database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'tactus-aggregator' AND datname = current_database()"
        )
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        return await process.wait() == -signal.SIGKILL

    async def let_end(self) -> None:
        """Again and again, while the scores that a former one left to be written are."""
        for _ in range(20):
            if await asyncio.wait_for((await self._started()).wait(), 60) == 0:
                return
        raise AssertionError("it never came to its end")

    async def _started(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.rebuild_process", "5"),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        await process.stdout.readline()
        return process


@pytest.mark.parametrize("seed", range(2))
async def test_a_rebuild_that_is_killed_leaves_what_was_and_goes_on(
    two: tuple[str, str], seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of the command by SIGKILL, of workers by their connections; here nothing changes, so whatever is lost shows."""
    monkeypatch.setattr(filling, "EVERY_S", 0.05)
    monkeypatch.setattr(filling, "AGAIN_S", 0.05)
    values = events(Random(seed), 900)
    database = await asyncpg.connect(two[0])
    killer = Killer(two[0], tmp_path, database, Random(seed))
    async with worker_on(two[0], OURS, part=0, fills=True) as worker:
        await worker.count(values[:300])
        counting = asyncio.create_task(worker.count(values[300:]))
        kills = sum([await killer.kill_one() for _ in range(6)])
        begun = await database.fetch("SELECT outcome FROM rebuild ORDER BY id")
        await killer.let_end()
        await counting
    ended = await database.fetch("SELECT outcome FROM rebuild ORDER BY id")
    await database.close()

    assert kills >= 3
    assert begun
    assert {row["outcome"] for row in ended} == {"swapped"}
    async with worker_on(two[1], OURS, part=0) as plain:
        await plain.count(values)
    assert await look(two[0]) == await look(two[1])


async def test_a_rebuild_that_is_given_up_leaves_nothing(two: tuple[str, str]) -> None:
    database = await asyncpg.connect(two[0])
    async with worker_on(two[0], OURS, part=0) as worker:
        shape = await database.fetch(SHAPE)  # with the months that a worker makes
        await worker.count(events(Random(1), 100))
        then = await look(two[0])
        async with rebuilding_on(two[0], Judge(LATER, NO_RULES)) as (rebuild, table):
            await table.begin("test")
            await rebuild.build(quiet)
            midway = await look(two[0])
            await table.drop()

    assert midway == then
    assert await look(two[0]) == then
    assert await database.fetch(SHAPE) == shape
    assert await database.fetchval("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0
    await database.close()


async def test_after_a_swap_the_tables_are_those_of_the_schema_and_everybody_keeps_their_rights(
    two: tuple[str, str],
) -> None:
    database = await asyncpg.connect(two[0])
    async with worker_on(two[0], OURS, part=0) as worker:
        shape = await database.fetch(SHAPE)  # with the months that a worker makes
        await worker.count(events(Random(1), 60))

        await rebuilt(two[0], Judge(LATER, NO_RULES))

        await worker.count(events(Random(2), 60, first=1000))
    reader = await asyncpg.connect(as_role(two[0], READER))

    assert await database.fetch(SHAPE) == shape
    assert await reader.fetchval("SELECT sum(n) FROM tally_row") == 120
    assert await reader.fetchval("SELECT sum(n) FROM tally") == 120
    assert await reader.fetchval("SELECT count(*) FROM touchpoint_ranking") >= 0
    assert await database.fetchval("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute("DELETE FROM tally_row")
    await reader.close()
    await database.close()


async def test_whoever_reads_during_a_swap_reads_one_side_whole(two: tuple[str, str]) -> None:
    async with worker_on(two[0], OURS, part=0) as worker:
        await worker.count(events(Random(1), 100))
    async with opened_store(two[0]) as store, rebuilding_on(two[0], Judge(LATER, NO_RULES)) as (rebuild, table):
        await table.begin("test")
        await rebuild.build(quiet)
        people = [row["id"] for row in await _fetch(two[0], "SELECT id FROM person")]
        async with store.snapshot() as snapshot:
            before = await snapshot.tallies.of_persons(people)
        async with store.snapshot() as snapshot:
            swapping = asyncio.create_task(rebuild.swap())
            await asyncio.sleep(0.5)
            during = await snapshot.tallies.of_persons(people)
            waited = not swapping.done()
        await swapping
        async with store.snapshot() as snapshot:
            after = await snapshot.tallies.of_persons(people)

    assert waited
    assert sorted(during.rows.tolist()) == sorted(before.rows.tolist())
    assert sorted(after.rows.tolist()) != sorted(before.rows.tolist())


async def test_a_rebuild_and_a_model_that_takes_over_do_not_cross(two: tuple[str, str]) -> None:
    async with worker_on(two[0], OURS, part=0) as worker:
        await worker.count(events(Random(1), 40))
        async with rebuilding_on(two[0], Judge(LATER, NO_RULES)) as (rebuild, table):
            await _activate(two[0], LATER)
            with pytest.raises(ConfigurationError, match="tactus model status"):
                await table.begin("test")
            await worker.fill(LATER)
            await table.begin("test")
            with pytest.raises(ConfigurationError, match="tactus rebuild drop"):
                await _activate(two[0], OURS)
            await rebuild.build(quiet)
            await rebuild.swap()
        # Whoever activates the model that is active does not take away that its scores are written anew.
        await _activate(two[0], LATER)
        async with connected(two[0], application="test") as statements:
            under_way = await ActivationTable(statements).under_way()
        await worker.fill(LATER)

    assert under_way
    assert await look(two[0]) == await from_the_start(two[1], events(Random(1), 40))


async def test_stored_events_stay_as_they_are_while_they_are_judged(two: tuple[str, str]) -> None:
    async with worker_on(two[0], OURS, part=0) as worker:
        await worker.count(events(Random(1), 40))
    async with rebuilding_on(two[0], Judge(LATER, NO_RULES)) as (_, table):
        await table.begin("test")
        with pytest.raises(asyncpg.RaiseError, match="tactus rebuild drop"):
            await _fetch(two[0], "DELETE FROM touchpoint_row")


async def test_only_the_owner_of_the_tables_rebuilds(two: tuple[str, str]) -> None:
    async with connected(as_role(two[0], WORKER), application="test") as statements:
        with pytest.raises(ConfigurationError, match="tactus migrate"):
            await RebuildTable(statements).claim()
    async with connected(two[0], application="test") as statements:
        table = RebuildTable(statements)
        await table.claim()
        with pytest.raises(ConfigurationError, match="nothing has been counted"):
            await table.begin("test")


async def _activate(dsn: str, catalogue: Catalogue) -> None:
    async with connected(dsn, application="test") as statements:
        await take_over(statements, await ModelTable(statements).keep(catalogue.weighing))


async def _fetch(dsn: str, query: str) -> list[asyncpg.Record]:
    database = await asyncpg.connect(dsn)
    try:
        return list(await database.fetch(query))
    finally:
        await database.close()
