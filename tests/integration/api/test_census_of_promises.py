"""Promises are in the sums of everybody as they are in each one's score, whatever portions people are counted in."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import asyncpg
import pytest
from pydantic import SecretStr

from services.aggregator.counting.census_taking import CensusTaking, Step
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.infra.clock import SystemClock
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.roles import WORKER
from tests.support.chunks import chunk
from tests.support.clocks import StandingClock
from tests.support.databases import as_role
from tests.support.promises import CATALOGUE, START, at, crossed_lives, said
from tests.support.readapi import read_client
from tests.support.said_log import END, PARTITIONS, SaidLog

pytestmark = pytest.mark.integration

NOW = START + timedelta(days=10)
NOW_MS = int(NOW.timestamp() * 1000)


async def counted(dsn: str, values: list[bytes], *, portions: tuple[int, ...]) -> None:
    """Count events by a worker, and take a census in portions of each size."""
    store = await Database.open(PostgresSettings(dsn=SecretStr(as_role(dsn, WORKER))), lanes=1)
    catalogue = CATALOGUE
    worker = await Pipeline.on(store, SaidLog(store), catalogue, cache_rows_max=10_000, clock=SystemClock())
    await worker._census.stop()
    await worker.take_ownership({("cx.touchpoints.v1", part): Bounds(0, END) for part in range(PARTITIONS)})
    await worker.process(chunk(values, at_ms=NOW_MS))
    for portion in portions:
        taking = CensusTaking(store, catalogue, StandingClock(NOW), portion=portion)
        while await taking.step(rest_s=0, rest_times=0) is not Step.DONE:
            pass
    await worker.close()


async def test_a_promise_that_is_open_costs_points_where_it_is_missed(postgres_dsn: str) -> None:
    ordered = said("e-1", "order.completed", hours=0, order="7", promised_at=at(48))
    await counted(postgres_dsn, [ordered], portions=(500,))

    async with read_client(postgres_dsn, catalogue=CATALOGUE, now=NOW) as client:
        touchpoints = (await client.get("/v1/touchpoints")).json()["touchpoints"]
        receipt = (await client.get("/v1/customers/customer:a")).json()

    missed = touchpoints[0]
    assert (missed["touchpoint"], missed["control"]) == ("delivery.promise_missed", "partner")
    assert (missed["period"]["customers"], missed["period"]["events"]) == (1, 0)
    won = sum(one["period"]["points_won"] - one["period"]["points_lost"] for one in touchpoints)
    assert won == pytest.approx(receipt["windows"]["30d"]["score"] - 50, abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
async def test_sums_with_promises_are_those_of_each_ones_score(seed: int, postgres_dsn: str) -> None:
    await counted(postgres_dsn, crossed_lives(Random(seed), 60), portions=(500, 1))

    connection = await asyncpg.connect(postgres_dsn)
    people = [
        row[0]
        for row in await connection.fetch(
            "SELECT i.value FROM person AS p JOIN identity AS i ON i.id = p.id"
            " WHERE p.version > 0 AND p.merged_into IS NULL"
        )
    ]
    censuses = [
        await connection.fetch(
            "SELECT scope, along, value, customers, events, scores, lost, won FROM census_sum AS s"
            " JOIN census AS c ON c.id = s.census WHERE c.id = $1 ORDER BY 1, 2, 3",
            number,
        )
        for number in (1, 2)
    ]
    await connection.close()
    async with read_client(postgres_dsn, catalogue=CATALOGUE, now=NOW) as client:
        scores = [(await client.get(f"/v1/customers/{who}")).json()["windows"]["30d"]["score"] for who in people]
        whole = (await client.get("/v1/drivers")).json()["everything"]["period"]

    assert censuses[0] == censuses[1] != []
    assert whole["points_won"] - whole["points_lost"] == pytest.approx(sum(scores) - 50 * len(people), abs=1e-4)
    assert whole["score"] == pytest.approx(sum(scores) / whole["customers"], abs=1e-5)
