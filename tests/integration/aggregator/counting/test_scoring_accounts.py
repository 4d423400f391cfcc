"""Stored scores of accounts: read anew beside the work, whatever order events came in, by one model at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random

import asyncpg
import pytest
from pydantic import SecretStr

from services.aggregator.counting import scoring_accounts
from services.aggregator.counting.filling import Filling
from services.aggregator.counting.filling import Step as Filled
from services.aggregator.counting.lag import Lag
from services.aggregator.counting.scoring_accounts import ScoringAccounts, Step
from services.core.catalogue import Catalogue
from services.infra.catalogue.reading import load_catalogue
from services.infra.metrics import ACCOUNTS_SCORED
from services.infra.settings import PostgresSettings
from services.state.activation import take_over
from services.state.database import Database
from services.state.models import ModelTable
from services.state.pool import Statements
from services.state.roles import WORKER
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.support.chunks import chunk, event
from tests.support.companies import NOON_MS, Told, store_companies
from tests.support.databases import Databases, as_role
from tests.support.readapi import read_client
from tests.support.said_log import SaidLog

pytestmark = pytest.mark.integration

OURS = load_catalogue()
OTHER = replace(OURS, parameters=replace(OURS.parameters, factor_decision_maker=9.0))

TOLD = [
    Told("e-1", "anna", "delivery.damaged", "2026-03-01T10:00:00Z", "acme", "champion"),
    Told("e-2", "ben", "order.completed", "2026-02-27T11:00:00Z", "acme", "decision_maker"),
    Told("e-3", "ben", "delivery.damaged", "2026-03-01T11:30:00Z"),
    Told("e-4", "zoe", "order.completed", "2026-03-01T09:00:00Z", "beta"),
    Told("e-5", "ben", "order.completed", "2026-02-20T09:00:00Z", "beta", "champion"),
]


@pytest.fixture
async def store(postgres_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.open(PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER))), lanes=2)
    yield opened
    await opened.close()


async def score_all(store: Database, *, portion: int = 1) -> int:
    """Step until there is nothing left; tells how many steps moved."""
    scoring, moved = ScoringAccounts(store, OURS, Lag(store, SaidLog(store)), portion=portion), 0
    while await scoring.step() is Step.MOVED:
        moved += 1
    return moved


async def rows_of(database: asyncpg.Connection) -> list[dict[str, object]]:
    rows = await database.fetch("SELECT * FROM crm_account_scores ORDER BY account")
    return [{name: value for name, value in row.items() if name != "version"} for row in rows]


async def activate(database: asyncpg.Connection, catalogue: Catalogue) -> None:
    statements = Statements(database)
    await take_over(statements, await ModelTable(statements).keep(catalogue.weighing))


async def test_a_stored_score_is_what_the_api_reads_at_its_hour(
    postgres_dsn: str, database: asyncpg.Connection, store: Database
) -> None:
    await store_companies(postgres_dsn, TOLD)

    await score_all(store)

    rows = {str(row["account"]): row for row in await rows_of(database)}
    assert rows.keys() == {"acme", "beta"}
    async with read_client(postgres_dsn) as client:
        for account, row in rows.items():
            told = (await client.get(f"/v1/accounts/{account}", params={"at": str(row["as_of"])})).json()
            assert told["score"] == pytest.approx(row["score"], abs=1e-9)
            assert told["confidence"] == pytest.approx(row["confidence"], abs=1e-9)
            assert told["windows"]["7d"]["score"] == pytest.approx(row["score_7d"], abs=1e-9)
            assert (told["band"], told["contacts"]) == (row["band"], row["contacts"])
            worst = told["worst_key_contact"] or {"customer": None, "score": None}
            assert worst["customer"] == row["worst_key_contact"]
            assert worst["score"] == pytest.approx(row["worst_key_contact_score"], abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
async def test_in_whatever_order_events_come_the_stored_scores_are_the_same_bits(
    postgres_dsn: str, databases: Databases, database: asyncpg.Connection, store: Database, seed: int
) -> None:
    await store_companies(postgres_dsn, TOLD)
    await score_all(store)
    name = await databases.create()
    dsn = databases.server.dsn_of(name)

    await store_companies(dsn, TOLD, random=Random(seed))

    other = await Database.open(PostgresSettings(dsn=SecretStr(as_role(dsn, WORKER))), lanes=1)
    await score_all(other)
    connection = await asyncpg.connect(dsn)
    assert await rows_of(connection) == await rows_of(database)
    await connection.close()
    await other.close()
    await databases.drop(name)


async def test_an_event_of_a_contact_that_names_no_company_moves_the_companys_score(
    open_pipeline: OpenPipeline, postgres_dsn: str, database: asyncpg.Connection, store: Database
) -> None:
    await store_companies(postgres_dsn, TOLD)
    await score_all(store)
    before = await rows_of(database)
    worker = await open_pipeline()
    await worker._companies.stop()
    value = event("later", time="2026-03-01T11:59:00Z", identities=("customer:zoe",), touchpoint="delivery.damaged")

    await worker.process(chunk([value], first=0, part=1, at_ms=NOON_MS))

    assert await database.fetchval("SELECT array_agg(DISTINCT account) FROM account_mark") == ["beta"]
    assert await score_all(store) == 1
    after = await rows_of(database)
    assert after[0] == before[0]
    assert after[1]["score"] < before[1]["score"]  # type: ignore[operator]  # both are numbers


async def test_no_chunk_waits_for_another_that_touches_the_same_company(
    open_pipeline: OpenPipeline, postgres_dsn: str, database: asyncpg.Connection, store: Database
) -> None:
    await store_companies(postgres_dsn, TOLD)
    await score_all(store)
    worker = await open_pipeline()
    await worker._companies.stop()
    value = event(
        "beside", time="2026-03-01T11:59:00Z", identities=("customer:new",), extra={"account": "acme"},
        envelope={"keykind": "server"},
    )  # fmt: skip
    neighbour, sweep = database.transaction(), store.transaction()
    await neighbour.start()
    await database.execute("INSERT INTO account_mark VALUES ('acme')")
    await database.execute("INSERT INTO contact VALUES ('acme', 1000000, now())")

    async with sweep as transaction:
        assert await transaction.account_scores.hold()
        async with asyncio.timeout(10):
            await worker.process(chunk([value], first=0, part=1, at_ms=NOON_MS))

    await neighbour.rollback()
    assert await database.fetchval("SELECT count(*) FROM contact WHERE account = 'acme'") == 3


async def test_one_worker_scores_accounts_at_a_time_and_the_next_goes_on(
    postgres_dsn: str, database: asyncpg.Connection, store: Database
) -> None:
    await store_companies(postgres_dsn, TOLD)
    await database.execute("DELETE FROM account_score")
    await database.execute("INSERT INTO account_mark VALUES ('acme'), ('beta'), ('acme')")

    async with store.transaction() as transaction:
        assert await transaction.account_scores.hold()
        assert await ScoringAccounts(store, OURS, Lag(store, SaidLog(store))).step() is Step.IDLE

    assert await database.fetchval("SELECT count(*) FROM account_score") == 0
    assert await score_all(store) == 2
    assert [row["account"] for row in await rows_of(database)] == ["acme", "beta"]
    assert await database.fetchval("SELECT count(*) FROM account_mark") == 0


async def test_a_model_takes_over_accounts_and_persons_at_one_moment(
    postgres_dsn: str, database: asyncpg.Connection, store: Database
) -> None:
    await store_companies(postgres_dsn, TOLD)
    await score_all(store)
    before = await rows_of(database)
    await activate(database, OTHER)
    filling = Filling(store, OURS)

    steps = [await filling.step() for _ in range(6)]

    assert steps[-2:] == [Filled.WAITING, Filled.WAITING], "accounts are not written by it"
    assert await rows_of(database) == before
    await score_all(store)
    assert await rows_of(database) == before, "still the model that is in use"
    assert await filling.step() is Filled.DONE
    after = await rows_of(database)
    assert [row["account"] for row in after] == ["acme", "beta"]
    assert after[0]["score"] != before[0]["score"], "a decision maker counts nine times"
    assert after[1] == before[1], "there is none"


async def test_what_is_marked_while_a_model_takes_over_is_written_by_both(
    postgres_dsn: str, database: asyncpg.Connection, store: Database
) -> None:
    await store_companies(postgres_dsn, TOLD)
    await score_all(store)
    await activate(database, OTHER)
    await database.execute("INSERT INTO account_mark VALUES ('acme')")

    await ScoringAccounts(store, OURS, Lag(store, SaidLog(store))).step()

    versions = await database.fetch(
        "SELECT account, count(*), count(DISTINCT version) FROM account_score GROUP BY account ORDER BY 1"
    )
    assert [tuple(row) for row in versions] == [("acme", 2, 1), ("beta", 1, 1)]


async def test_an_account_of_too_large_histories_has_no_stored_score_and_is_counted(
    postgres_dsn: str, database: asyncpg.Connection, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_companies(postgres_dsn, TOLD)
    await score_all(store)
    monkeypatch.setattr(scoring_accounts, "ROWS_MAX", 2)
    await database.execute("INSERT INTO account_mark VALUES ('acme'), ('beta')")
    counted = ACCOUNTS_SCORED.labels(outcome="too_large")
    before = counted._value.get()

    await score_all(store)

    assert [row["account"] for row in await rows_of(database)] == []
    assert counted._value.get() == before + 2


async def test_an_account_whose_contacts_are_forgotten_has_no_score_any_more(
    postgres_dsn: str, database: asyncpg.Connection, store: Database
) -> None:
    await store_companies(postgres_dsn, TOLD)
    await score_all(store)
    await database.execute("DELETE FROM contact WHERE account = 'beta'")
    await database.execute("INSERT INTO account_mark VALUES ('beta')")

    await score_all(store)

    assert [row["account"] for row in await rows_of(database)] == ["acme"]
