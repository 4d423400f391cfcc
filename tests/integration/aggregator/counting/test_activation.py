"""A model takes over while events come: whatever ends whoever writes its scores, nobody ever reads two models."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.instant import write_instant
from services.aggregator.counting.filling import Filling, Step
from services.aggregator.counting.pipeline import Pipeline
from services.core.bands import Bands
from services.core.catalogue import Catalogue
from services.core.weighing import Stretch
from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import UnavailableError
from services.infra.settings import PostgresSettings
from services.state.activation import take_over
from services.state.database import Database
from services.state.models import ModelTable
from services.state.pool import Statements
from services.state.roles import WORKER
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.reference.scoring import Model, score
from tests.support.chunks import chunk, event
from tests.support.databases import as_role

pytestmark = pytest.mark.integration

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
AT_MS = int((START + timedelta(days=1)).timestamp() * 1000)

OURS = load_catalogue()
OTHER = Catalogue(
    entries={**OURS.entries, "order.completed": replace(OURS.entries["order.completed"], weight=0.5)},
    parameters=replace(OURS.parameters, kappa=1.0, half_life_days=7.0),
    bands=Bands.of({"poor": 0, "so-so": 30, "fine": 48}),
)
THIRD = replace(OTHER, stretches={"case.escalated": Stretch(1.0, 0.25)})

TOUCHPOINTS = ("order.completed", "case.escalated", "delivery.damaged", "x.of_our_own")

Stored = Mapping[str, tuple[float, float, float, str, int]]
"""By person: score, confidence and score of 7 days; model and version."""


def events(count: int, *, first: int = 0) -> list[bytes]:
    """Events of one person after another, at hours and touchpoints that vary."""
    return [
        event(
            f"e-{number}",
            time=write_instant(START + timedelta(minutes=37 * (number % 40))),
            identities=(f"customer:c-{number % 11}",),
            touchpoint=TOUCHPOINTS[number % len(TOUCHPOINTS)],
        )
        for number in range(first, first + count)
    ]


@pytest.fixture
async def store(postgres_dsn: str) -> AsyncIterator[Database]:
    settings = PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER)))
    opened = await Database.open(settings, lanes=4)
    yield opened
    await opened.close()


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


async def activate(database: asyncpg.Connection, catalogue: Catalogue) -> None:
    statements = Statements(database)
    await take_over(statements, await ModelTable(statements).keep(catalogue.weighing))


async def quietly(open_pipeline: OpenPipeline) -> Pipeline:
    """A worker that leaves activations to the test."""
    worker = await open_pipeline()
    await worker._filling.stop()
    return worker


async def finish(store: Database, *, portion: int = 2) -> list[Step]:
    filling = Filling(store, OURS, portion=portion)
    steps: list[Step] = []
    while not steps or steps[-1] is not Step.DONE:
        steps.append(await filling.step())
        assert len(steps) < 200
    return steps


async def stored(database: asyncpg.Connection) -> Stored:
    rows = await database.fetch(
        "SELECT person_id, score, confidence, score_7d, model_version, version FROM customer_score ORDER BY person_id"
    )
    return {row[0]: tuple(row)[1:] for row in rows}


async def by_the_book(database: asyncpg.Connection, catalogue: Catalogue) -> dict[str, tuple[float, float, float]]:
    """Every person's score, read afresh from the tally view by another reading of the formulas."""
    parameters = catalogue.parameters
    model = Model(
        {name: entry.weight for name, entry in catalogue.entries.items()},
        kappa=parameters.kappa,
        h=parameters.half_life_days,
    )
    rows = await database.fetch(
        "SELECT n.value AS person, t.*, extract(epoch FROM s.as_of)::bigint / 3600 AS at_hour FROM tally AS t "
        "JOIN identity AS i ON i.value = t.identity JOIN identity AS n ON n.id = i.person "
        "JOIN customer_score AS s ON s.person_id = n.value ORDER BY person"
    )
    read = {}
    for person, group in itertools.groupby(rows, key=lambda row: str(row["person"])):
        mine = list(group)
        state = {
            ((row["touchpoint"], row["channel"], row["place"]), row["hour"]): [
                row[name] for name in ("n", "q", "pos", "neg", "pos2", "neg2", "best", "worst")
            ]
            for row in mine
        }
        at = int(mine[0]["at_hour"])
        whole = score(state, model, at)
        read[person] = (whole.score, whole.confidence, score(state, model, at, 168).score)
    return read


async def check(database: asyncpg.Connection, catalogue: Catalogue) -> None:
    """Every stored row is this model's, and what a fresh read gives."""
    rows, fresh = await stored(database), await by_the_book(database, catalogue)
    assert {row[3] for row in rows.values()} == {catalogue.model_version}
    assert rows.keys() == fresh.keys()
    for told in await database.fetch("SELECT score, confidence, band FROM customer_score"):
        assert told["band"] == catalogue.bands.name(told["score"], told["confidence"])
    for person, row in rows.items():
        assert row[:3] == pytest.approx(fresh[person], abs=1e-9)


async def test_nobody_reads_a_model_before_all_of_it_is_written(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    worker = await quietly(open_pipeline)
    await worker.process(chunk(events(40), at_ms=AT_MS))
    before = await stored(database)
    await activate(database, OTHER)
    filling = Filling(store, OURS, portion=2)

    while await filling.step() is not Step.DONE:
        assert await stored(database) == before

    await check(database, OTHER)
    assert all(row[4] > before[person][4] for person, row in (await stored(database)).items())
    assert {row[3] for row in before.values()} == {OURS.model_version}


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
async def test_whoever_comes_next_goes_on_where_a_worker_was_killed(
    steps: int, open_pipeline: OpenPipeline, postgres_dsn: str, store: Database, database: asyncpg.Connection
) -> None:
    await (await quietly(open_pipeline)).process(chunk(events(40), at_ms=AT_MS))
    await activate(database, OTHER)
    killed = await Database.open(PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER))), lanes=1)
    filling = Filling(killed, OURS, portion=2)
    for _ in range(steps):
        await filling.step()
    written = await database.fetchval("SELECT done FROM activation")

    async def cut_short() -> None:
        async with killed.transaction() as transaction:
            held = await transaction.activations.held()
            assert held is not None
            await filling._go_on(transaction, held)
            await killed.close()

    with pytest.raises(UnavailableError):
        await cut_short()
    after = await database.fetchval("SELECT done FROM activation")
    await finish(store)

    assert written == after
    await check(database, OTHER)


async def test_events_that_come_meanwhile_are_scored_by_both_models(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    worker = await quietly(open_pipeline)
    await worker.process(chunk(events(40), at_ms=AT_MS))
    await activate(database, OTHER)
    filling = Filling(store, OURS, portion=1)

    for number in range(5):
        await filling.step()
        news = [
            *events(7, first=40 + 7 * number),
            event(f"n-{number}", time=write_instant(START), identities=(f"customer:n-{number}",)),
        ]
        await worker.process(chunk(news, first=40 + 8 * number, at_ms=AT_MS))
        await check(database, OURS)
    await finish(store, portion=3)

    await check(database, OTHER)
    await worker.process(chunk(events(7, first=100), first=80, at_ms=AT_MS))
    await check(database, OTHER)


async def test_traffic_and_filling_at_once_leave_every_row_as_a_fresh_read(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    worker = await quietly(open_pipeline)
    await worker.process(chunk(events(30), at_ms=AT_MS))
    await activate(database, OTHER)

    async def traffic() -> None:
        for number in range(12):
            await worker.process(chunk(events(9, first=30 + 9 * number), first=30 + 9 * number, at_ms=AT_MS))

    await asyncio.gather(traffic(), finish(store, portion=2))

    await check(database, OTHER)


async def test_a_chunk_that_began_before_the_activation_is_waited_for(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    """A person that nobody sees yet, written by a worker that knows of one model only, would be left out."""
    worker = await quietly(open_pipeline)
    await worker.process(chunk(events(10), at_ms=AT_MS))
    filling = Filling(store, OURS)
    async with store.transaction() as transaction:
        await transaction.persons.add([999])
        assert (await transaction.scores.turn()).in_use is not None
        await activate(database, OTHER)
        taken_up = [await filling.step() for _ in range(4)]

    await finish(store)

    assert taken_up == [Step.MOVED, Step.WAITING, Step.WAITING, Step.WAITING]
    await check(database, OTHER)


async def test_going_back_gives_the_former_scores(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    worker = await quietly(open_pipeline)
    await worker.process(chunk(events(40), at_ms=AT_MS))
    before = await stored(database)

    for catalogue in (OTHER, OURS):
        await activate(database, catalogue)
        await finish(store)

    after = await stored(database)
    assert {person: row[:4] for person, row in after.items()} == {person: row[:4] for person, row in before.items()}
    assert all(row[4] > before[person][4] for person, row in after.items())


async def test_a_model_that_replaces_one_under_way_leaves_nothing_of_it(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    worker = await quietly(open_pipeline)
    await worker.process(chunk(events(40), at_ms=AT_MS))
    await activate(database, THIRD)
    filling = Filling(store, OURS, portion=2)
    for _ in range(5):
        await filling.step()

    await activate(database, OTHER)
    await worker.process(chunk(events(5, first=40), first=40, at_ms=AT_MS))
    await finish(store)

    await check(database, OTHER)
    outcomes = await database.fetch("SELECT outcome FROM activation ORDER BY id")
    assert [row[0] for row in outcomes] == ["replaced", "active"]


async def test_activating_what_is_active_ends_what_was_to_take_over(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    worker = await quietly(open_pipeline)
    await worker.process(chunk(events(10), at_ms=AT_MS))
    await activate(database, OTHER)

    await activate(database, OURS)

    assert await Filling(store, OURS).step() is Step.IDLE
    await check(database, OURS)


async def test_a_worker_with_another_catalogue_scores_by_the_active_model(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    await (await quietly(open_pipeline)).process(chunk(events(10), at_ms=AT_MS))
    await activate(database, OTHER)
    await finish(store)

    later = await quietly(open_pipeline)
    await later.process(chunk(events(10, first=10), first=10, at_ms=AT_MS))

    await check(database, OTHER)


async def test_scores_that_an_earlier_release_wrote_are_written_anew(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    await (await quietly(open_pipeline)).process(chunk(events(20), at_ms=AT_MS))
    await database.execute(
        "WITH former AS (INSERT INTO model (version) VALUES ('former') RETURNING id), gone AS (DELETE FROM model_in_use)"
        " UPDATE person SET model = former.id, version_a = NULL, score = 1 FROM former WHERE person.id % 2 = 0"
    )

    await quietly(open_pipeline)
    await finish(store)

    await check(database, OURS)


async def test_the_ranking_follows_the_active_model(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    now = datetime.now(UTC)
    worker = await quietly(open_pipeline)
    lived = [
        event(name, time=write_instant(now - timedelta(hours=2)), identities=("customer:a",), touchpoint=name)
        for name in ("order.completed", "case.escalated")
    ]
    await worker.process(chunk(lived, at_ms=int(now.timestamp() * 1000)))
    await activate(database, THIRD)
    await finish(store)

    rows = await database.fetch("SELECT touchpoint, points_lost, points_won FROM touchpoint_ranking")

    good = 0.5 * (0.5 * 0.4 + 0.5 * 0.16)
    bad = 2 * 2.5 * (0.5 * 0.2 + 0.5 * 0.04)
    assert {row[0]: row[1] - row[2] for row in rows} == {
        "case.escalated": pytest.approx(100 * 0.5 * bad / (1 + good + bad)),
        "order.completed": pytest.approx(-100 * 0.5 * good / (1 + good + bad)),
    }
