"""A census of all people equals a recount from the stored tallies, whatever comes in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.instant import write_instant
from services.aggregator.counting.census_taking import CensusTaking, Step
from services.aggregator.counting.filling import Step as Filled
from services.core.catalogue import Catalogue
from services.core.instants import hour_of, micros_of
from services.infra.catalogue.reading import load_catalogue
from services.infra.settings import PostgresSettings
from services.state.activation import take_over
from services.state.database import Database
from services.state.models import ModelTable
from services.state.pool import Statements
from services.state.roles import WORKER
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.reference.census import Amounts, Group, Means, census
from tests.reference.scoring import Model, State
from tests.support.chunks import chunk, event
from tests.support.clocks import StandingClock
from tests.support.databases import as_role

pytestmark = pytest.mark.integration

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
AT = START + timedelta(days=2)

OURS = load_catalogue()
OTHER = Catalogue(
    entries={**OURS.entries, "order.completed": replace(OURS.entries["order.completed"], weight=0.5)},
    parameters=replace(OURS.parameters, kappa=1.0),
)

TOUCHPOINTS = ("order.completed", "case.escalated", "delivery.damaged", "pos.price_mismatch", "x.of_our_own")
PLACES = ("", "store/2", "carrier/inpost")


def events(count: int, *, first: int = 0) -> list[bytes]:
    """Events of one person after another, at hours of three months, touchpoints and places that vary."""
    return [
        event(
            f"e-{number}",
            time=write_instant(START - timedelta(hours=37 * (number % 61))),
            identities=(f"customer:c-{number % 11}", *([f"device:d-{number % 11}"] if number % 4 == 0 else [])),
            touchpoint=TOUCHPOINTS[number % len(TOUCHPOINTS)],
            place=PLACES[number % len(PLACES)],
        )
        for number in range(first, first + count)
    ]


@pytest.fixture
async def store(postgres_dsn: str) -> AsyncIterator[Database]:
    settings = PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER)))
    opened = await Database.open(settings, lanes=4)
    yield opened
    await opened.close()


async def quietly(open_pipeline: OpenPipeline, *counted: tuple[list[bytes], int]) -> None:
    """Count events by a worker that leaves censuses to the test."""
    worker = await open_pipeline()
    await worker._census.stop()
    for values, first in counted:
        await worker.process(chunk(values, first=first, at_ms=micros_of(AT) // 1000))


def taking(store: Database, *, portion: int) -> CensusTaking:
    return CensusTaking(store, OURS, StandingClock(AT), portion=portion)


async def finish(taken: CensusTaking) -> int:
    """Take steps until the census is whole; how many there were."""
    for steps in range(1, 200):
        if await taken.step(rest_s=0, rest_times=0) is Step.DONE:
            return steps
    raise AssertionError("the census does not end")


async def kept(database: asyncpg.Connection) -> dict[Group, tuple[Amounts, Amounts]]:
    """The sums of the last whole census."""
    rows = await database.fetch(
        "SELECT s.* FROM census_sum AS s WHERE census = (SELECT max(id) FROM census WHERE outcome = 'whole')"
    )
    return {tuple(row)[1:4]: (tuple(row)[4:9], tuple(row)[9:14]) for row in rows}


async def recounted(database: asyncpg.Connection, catalogue: Catalogue) -> Mapping[Group, tuple[Amounts, Amounts]]:
    """The same, person after person from the view of tallies, by another reading of the formulas."""
    rows = await database.fetch(
        "SELECT i.person, t.* FROM tally AS t JOIN identity AS i ON i.value = t.identity ORDER BY t.identity"
    )
    people: dict[int, State] = {}
    for row in rows:
        state = people.setdefault(row["person"], {})
        tally = state.setdefault(((row["touchpoint"], row["channel"], row["place"]), row["hour"]), [0] * 8)
        for column, name in enumerate(("n", "q", "pos", "neg", "pos2", "neg2")):
            tally[column] += row[name]

    def means(touchpoint: str) -> Means:
        entry = catalogue.entry(touchpoint)
        return Means(entry.stage, entry.driver, entry.control)

    parameters = catalogue.parameters
    model = Model({name: entry.weight for name, entry in catalogue.entries.items()}, kappa=parameters.kappa)
    return census(people.values(), model, means, hour_of(AT))


@pytest.mark.parametrize("portion", [1, 3, 500])
async def test_a_census_is_the_recount_of_everybody(
    portion: int, open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    await quietly(open_pipeline, (events(240), 0))

    await finish(taking(store, portion=portion))

    found = await kept(database)
    assert found == await recounted(database, OURS)
    assert found["", "everything", ""][0][0] == 11
    assert {scope for scope, _, _ in found} == {"", "place:store/2", "place:carrier/inpost"}
    assert await database.fetchval("SELECT persons FROM census") == 11


async def test_the_last_census_is_read_while_the_next_is_taken(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    await quietly(open_pipeline, (events(60), 0))
    first, other = taking(store, portion=2), taking(store, portion=4)
    await finish(first)
    before = await kept(database)
    await quietly(open_pipeline, (events(60, first=60), 60))

    for _ in range(3):
        await first.step(rest_s=0, rest_times=0)
    during = await kept(database)
    await finish(other)  # another worker goes on where the first one stopped

    assert during == before
    assert await kept(database) == await recounted(database, OURS) != before


async def test_a_census_is_of_one_model(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    await quietly(open_pipeline, (events(60), 0))
    taken = taking(store, portion=3)
    await finish(taken)
    for _ in range(3):
        await taken.step(rest_s=0, rest_times=0)

    statements = Statements(database)
    await take_over(statements, await ModelTable(statements).keep(OTHER.weighing))
    while await database.fetchval("SELECT filling IS NOT NULL FROM model_in_use"):
        worker = await open_pipeline()
        await worker._census.stop()
        while await worker._filling.step() is not Filled.DONE:
            pass
    await finish(taken)

    assert [row[0] for row in await database.fetch("SELECT outcome FROM census ORDER BY id")][1:] == [
        "replaced",
        "whole",
    ]
    assert await kept(database) == await recounted(database, OTHER)


async def test_a_census_rests_after_it_was_taken(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection
) -> None:
    await quietly(open_pipeline, (events(20), 0))
    taken = taking(store, portion=500)
    await finish(taken)

    steps = [await taken.step(rest_s=60, rest_times=9) for _ in range(3)]

    assert steps == [Step.IDLE] * 3
    assert await database.fetchval("SELECT count(*) FROM census") == 1


async def test_persons_with_many_tallies_are_counted_in_smaller_portions(
    open_pipeline: OpenPipeline, store: Database, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await quietly(open_pipeline, (events(240), 0))
    monkeypatch.setattr("services.aggregator.counting.census_taking.ROWS_MAX", 30)

    await finish(taking(store, portion=500))

    assert await kept(database) == await recounted(database, OURS)
