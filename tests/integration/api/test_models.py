"""While a model takes over every answer is read by one model, and says by which."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from services.aggregator.counting.filling import Filling, Step
from services.core.bands import Bands
from services.core.weighing import Calibration
from services.infra.settings import PostgresSettings
from services.state.activation import take_over
from services.state.database import Database
from services.state.models import ModelTable
from services.state.pool import Statements
from services.state.roles import WORKER
from tests.support.customers import Lived, store_person
from tests.support.databases import as_role
from tests.support.readapi import T, example_catalogue, read_client

pytestmark = pytest.mark.integration

OURS = example_catalogue()
OTHER = replace(
    OURS,
    entries={**OURS.entries, "call.taken": replace(OURS.entries["call.taken"], weight=5.0)},
    parameters=replace(OURS.parameters, prior=0.6),
    calibration=Calibration((0.0, 100.0), (1.0, 0.0)),
    bands=Bands.of({"poor": 0, "so-so": 30, "fine": 48}),
)
WHO = "/v1/customers/customer:c1"


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    events = [
        Lived("customer:c1", "call.taken", T - timedelta(hours=4), -0.5),
        Lived("customer:c1", "checkout.done", T - timedelta(hours=9), 0.4),
    ]
    await store_person(postgres_dsn, events, customer="customer:c1", version=1, as_of=int(T.timestamp()) // 3600)
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute("SELECT setval('score_version', 100)")
    yield connection
    await connection.close()


@pytest.fixture
async def store(postgres_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.open(PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER))), lanes=1)
    yield opened
    await opened.close()


async def answers(client: httpx.AsyncClient) -> dict[str, tuple[float, str]]:
    """By door: the score and the model that it was read by."""
    found = {name: (await client.get(f"{WHO}{path}")).json() for name, path in (("score", ""), ("receipt", "/receipt"))}
    asked = (await client.post("/v1/whatif", json={"customer": "customer:c1"})).json()
    return {
        **{name: (answer["score"], answer["model_version"]) for name, answer in found.items()},
        "whatif": (asked["before"]["score"], asked["model_version"]),
    }


async def test_answers_change_their_model_all_at_once(
    postgres_dsn: str, database: asyncpg.Connection, store: Database
) -> None:
    statements, filling = Statements(database), Filling(store, OURS, portion=1)
    async with read_client(postgres_dsn) as client:
        own = await answers(client)
        await store.models.claim(await store.models.keep(OURS.weighing))
        while await filling.step() is not Step.DONE:  # the example's row names no model of ours
            assert await answers(client) == own
        claimed = await answers(client)
        await take_over(statements, await ModelTable(statements).keep(OTHER.weighing))
        while await filling.step() is not Step.DONE:
            assert await answers(client) == own
        after = await answers(client)
        view = await database.fetchrow("SELECT score, model_version FROM customer_score")

    assert own == claimed
    assert {version for _, version in own.values()} == {OURS.model_version}
    assert {version for _, version in after.values()} == {OTHER.model_version}
    assert len(set(own.values())) == len(set(after.values())) == 1
    assert view is not None
    assert view["score"] == pytest.approx(after["score"][0], abs=1e-8)
    assert view["model_version"] == after["score"][1]


async def test_a_copy_of_the_former_model_holds_no_more(
    postgres_dsn: str, database: asyncpg.Connection, store: Database
) -> None:
    statements, filling = Statements(database), Filling(store, OURS)
    await take_over(statements, await ModelTable(statements).keep(OURS.weighing))
    async with read_client(postgres_dsn) as client:
        while await filling.step() not in {Step.DONE, Step.IDLE}:
            pass
        former = await client.get(WHO)
        same = await client.get(WHO, headers={"If-None-Match": former.headers["etag"]})
        await take_over(statements, await ModelTable(statements).keep(OTHER.weighing))
        while await filling.step() is not Step.DONE:
            pass
        present = await client.get(WHO, headers={"If-None-Match": former.headers["etag"]})

    assert same.status_code == 304
    assert present.status_code == 200
    assert present.json()["version"] > former.json()["version"]


async def test_a_calibrated_model_tells_how_likely_a_bad_outcome_is(
    postgres_dsn: str, database: asyncpg.Connection, store: Database
) -> None:
    statements, filling = Statements(database), Filling(store, OURS)
    async with read_client(postgres_dsn) as client:
        without = (await client.get(WHO)).json()
        await take_over(statements, await ModelTable(statements).keep(OURS.weighing))
        await take_over(statements, await ModelTable(statements).keep(OTHER.weighing))
        while await filling.step() is not Step.DONE:
            pass
        told = (await client.get(WHO)).json()

    assert without["p_bad"] is None
    assert told["p_bad"] == pytest.approx(1 - told["score"] / 100)


async def test_a_model_with_bands_of_its_own_names_them_in_every_answer(
    postgres_dsn: str, database: asyncpg.Connection, store: Database
) -> None:
    statements, filling = Statements(database), Filling(store, OURS)
    async with read_client(postgres_dsn) as client:
        before = (await client.get(WHO)).json()
        await take_over(statements, await ModelTable(statements).keep(OURS.weighing))
        await take_over(statements, await ModelTable(statements).keep(OTHER.weighing))
        while await filling.step() is not Step.DONE:
            pass
        score, change, history = [(await client.get(f"{WHO}{path}")).json() for path in ("", "/change", "/history")]
        asked = (await client.post("/v1/whatif", json={"customer": "customer:c1"})).json()
    stored = await database.fetchval("SELECT band FROM crm_customer_scores")

    named = OTHER.bands.name(score["score"], score["confidence"])
    assert before["bands"] == {"critical": 0, "low": 25, "fair": 40, "good": 60, "great": 80}
    assert score["bands"] == {"poor": 0, "so-so": 30, "fine": 48}
    assert named in {"poor", "so-so", "fine"}
    told = [score["band"], change["after"]["band"], history["points"][-1]["band"], asked["after"]["band"], stored]
    assert told == [named] * 5
