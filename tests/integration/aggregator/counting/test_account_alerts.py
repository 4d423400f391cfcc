"""Alerts of companies: on the score of all contacts, once for a cause, closed like anybody's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.alert import AlertRecord
from services.aggregator.counting.closing_alerts import ClosingAlerts
from services.aggregator.counting.lag import Lag
from services.aggregator.counting.scoring_accounts import ScoringAccounts
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.roles import WORKER
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.support.chunks import chunk, event
from tests.support.clocks import StandingClock
from tests.support.databases import as_role
from tests.support.promises import CATALOGUE, SERVER, START, at
from tests.support.said_log import SaidLog

pytestmark = pytest.mark.integration

START_MS = int(START.timestamp() * 1000)


def acting(event_id: str, customer: str, touchpoint: str, *, hours: float = 0) -> bytes:
    return event(
        event_id,
        time=at(hours),
        identities=[customer],
        touchpoint=touchpoint,
        extra={"account": "acme"},
        envelope=SERVER,
    )


async def told(database: asyncpg.Connection) -> list[AlertRecord]:
    rows = await database.fetch("SELECT key, value FROM outbox WHERE topic = 'cx.alerts.v1' ORDER BY xact, id")
    records = [AlertRecord.model_validate_json(row["value"]) for row in rows]
    mine = [record for record in records if record.account is not None]
    assert {row["key"] for row in rows if row["key"] == "acme"} == {record.account for record in mine}
    return mine


@pytest.fixture
async def store(postgres_dsn: str) -> AsyncIterator[Database]:
    settings = PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER)))
    opened = await Database.open(settings, lanes=1)
    yield opened
    await opened.close()


def caught_up(store: Database) -> Lag:
    log = SaidLog(store)
    log.bounds = {}
    return Lag(store, log)


async def test_what_contacts_live_through_opens_one_alert_of_their_company(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, store: Database
) -> None:
    worker = await open_pipeline()
    values = [
        acting("lost-1", "customer:a", "delivery.lost_or_returned"),
        acting("v-1", "customer:b", "web.page_viewed"),
    ]
    await worker.process(chunk(values, at_ms=START_MS))
    scoring = ScoringAccounts(store, CATALOGUE, caught_up(store))

    await scoring.step()
    again = acting("v-2", "customer:b", "web.page_viewed")
    await worker.process(chunk([again], first=2, at_ms=START_MS))
    await scoring.step()

    [alert] = await told(database)
    assert (alert.rule, alert.account, alert.customer, alert.state) == ("drop", "acme", None, "opened")
    assert alert.tipped is not None
    assert alert.tipped.id == "lost-1"
    assert [one.id for one in alert.reasons[0].events] == ["lost-1"]
    assert await database.fetchval("SELECT count(*) FROM alert WHERE account = 'acme'") == 1


async def test_while_counting_is_behind_no_company_has_an_alert(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, store: Database
) -> None:
    worker = await open_pipeline()
    lost = acting("lost-1", "customer:a", "delivery.lost_or_returned")
    await worker.process(chunk([lost], at_ms=START_MS))

    await ScoringAccounts(store, CATALOGUE, Lag(store, SaidLog(store))).step()

    assert await told(database) == []


async def test_an_account_that_recovers_in_silence_is_closed_at_midnight(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, store: Database
) -> None:
    worker = await open_pipeline()
    lost = acting("lost-1", "customer:a", "delivery.lost_or_returned")
    await worker.process(chunk([lost], at_ms=START_MS))
    await ScoringAccounts(store, CATALOGUE, caught_up(store)).step()
    closing = ClosingAlerts(store, CATALOGUE, StandingClock(START + timedelta(days=30)), caught_up(store))

    looked = [await closing.step() for _ in range(3)]

    assert looked == [1, 1, 0]
    assert [one.state for one in await told(database)] == ["opened", "closed"]
