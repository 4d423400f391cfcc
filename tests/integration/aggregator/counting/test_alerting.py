"""Alerts on Postgres: one row and one record for each, whoever counts, whatever moves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.alert import AlertRecord
from services.aggregator.counting.closing_alerts import ClosingAlerts
from services.aggregator.counting.lag import Lag
from services.aggregator.counting.pipeline import Pipeline
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.roles import WORKER
from tests.faults.oracle import read_holdings
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.support.chunks import chunk
from tests.support.clocks import StandingClock
from tests.support.databases import as_role
from tests.support.promises import CATALOGUE, START, said
from tests.support.said_log import SaidLog

pytestmark = pytest.mark.integration

START_MS = int(START.timestamp() * 1000)
HOUR_MS = 3_600_000
VISITOR = ("anonymous:v-1",)


def lost(number: int, *, hours: float = 0, who: Sequence[str] = ("customer:a",)) -> bytes:
    return said(f"lost-{number}", "delivery.lost_or_returned", hours=hours, who=who, order=f"{number}")


async def told(database: asyncpg.Connection) -> list[AlertRecord]:
    rows = await database.fetch("SELECT key, value FROM outbox WHERE topic = 'cx.alerts.v1' ORDER BY xact, id")
    records = [AlertRecord.model_validate_json(row["value"]) for row in rows]
    assert [row["key"] for row in rows] == [record.customer for record in records]
    return records


async def watched(database: asyncpg.Connection) -> dict[str, int]:
    rows = await database.fetch(
        "SELECT i.value, p.alert_until FROM person AS p JOIN identity AS i USING (id) WHERE p.alert_until > 0"
    )
    return {row["value"]: row["alert_until"] for row in rows}


@pytest.fixture
async def worker(open_pipeline: OpenPipeline) -> Pipeline:
    return await open_pipeline()


async def test_an_alert_stands_in_its_row_and_in_the_outbox_with_the_events_behind_it(
    worker: Pipeline, database: asyncpg.Connection
) -> None:
    await worker.process(chunk([lost(1), said("v-1", "web.page_viewed", hours=0)], at_ms=START_MS))

    [record] = await told(database)
    [row] = await database.fetch("SELECT * FROM alert")
    assert (str(row["id"]), row["state"], row["severity"]) == (record.alert, "open", record.severity)
    assert (row["score_before"], row["score"]) == pytest.approx((record.score_before, record.score))
    assert [event.id for event in record.reasons[0].events] == ["lost-1"]
    assert json.loads(row["reasons"])[0]["points"] == record.reasons[0].points
    assert await watched(database) == {"customer:a": 2**31 - 1}


async def test_a_second_worker_that_hears_the_same_again_raises_no_second_alert(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, postgres_dsn: str
) -> None:
    first = await open_pipeline()
    await first.process(chunk([lost(1)], at_ms=START_MS))
    second = await open_pipeline()
    await second.process(chunk([lost(1)], first=1, at_ms=START_MS + HOUR_MS))

    assert len(await told(database)) == 1
    held = await read_holdings(postgres_dsn)
    assert [row["state"] for row in held.alerts] == ["open"]
    assert held.steps == [{"alert": held.alerts[0]["alert"], "state": "opened"}]


async def test_an_alert_goes_along_with_a_visitor_who_logs_in_and_closes_under_the_new_name(
    worker: Pipeline, database: asyncpg.Connection
) -> None:
    await worker.process(chunk([lost(1, who=VISITOR)], at_ms=START_MS))
    login = said("login", "identity.linked", hours=1, who=("customer:a", *VISITOR))
    await worker.process(chunk([login], first=1, at_ms=START_MS + HOUR_MS))
    assert (await watched(database))["customer:a"] == 2**31 - 1

    late = said("v-2", "web.page_viewed", hours=480)
    await worker.process(chunk([late], first=2, at_ms=START_MS + 480 * HOUR_MS))

    opened, closed = await told(database)
    assert (opened.customer, closed.customer, closed.state) == ("anonymous:v-1", "customer:a", "closed")
    assert opened.alert == closed.alert
    assert (await watched(database))["customer:a"] == START_MS // HOUR_MS + 480 + 96


async def test_every_open_alert_is_looked_at_once_a_day_also_of_one_who_became_part_of_another(
    worker: Pipeline, database: asyncpg.Connection, postgres_dsn: str
) -> None:
    both = [lost(1, who=VISITOR), lost(2, who=("customer:b",))]
    await worker.process(chunk(both, at_ms=START_MS))
    login = said("login", "identity.linked", hours=1, who=("customer:a", *VISITOR))
    await worker.process(chunk([login], first=2, at_ms=START_MS + HOUR_MS))
    settings = PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER)))
    store = await Database.open(settings, lanes=1)
    log, clock = SaidLog(store), StandingClock(START + timedelta(days=30))
    log.bounds = {}
    closing = ClosingAlerts(store, CATALOGUE, clock, Lag(store, log))

    looked = [await closing.step() for _ in range(2)]
    await store.close()

    assert looked == [2, 0]
    closed = {one.customer for one in await told(database) if one.state == "closed"}
    assert closed == {"customer:a", "customer:b"}


async def test_nobody_without_an_alert_costs_a_question(worker: Pipeline, database: asyncpg.Connection) -> None:
    await database.execute("ALTER TABLE alert RENAME TO alert_away")

    await worker.process(chunk([said("v-1", "web.page_viewed", hours=0)], at_ms=START_MS))

    assert await database.fetchval("SELECT count(*) FROM person") == 1
