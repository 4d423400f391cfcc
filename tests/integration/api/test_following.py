"""Follow scores over HTTP: everybody once, then whoever's score is another one since, with nobody passed over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from services.api.waiting import Waiting
from services.infra.catalogue.reading import load_catalogue
from tests.support.databases import Databases
from tests.support.openapi import Contract
from tests.support.readapi import BEARER, OTHER_KEY, T, example_app, opened_store, read_client
from tests.support.scored import merge, score, store_people

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
CHANGES = "/v1/scores/changes"


@pytest.fixture
async def owner(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def client(postgres_dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    async with read_client(postgres_dsn, catalogue=load_catalogue()) as reading:
        yield reading


async def ask(client: httpx.AsyncClient, path: str = CHANGES, **parameters: object) -> Any:  # noqa: ANN401 - as written
    answer = await client.get(
        path, params={name: str(value) for name, value in parameters.items() if value is not None}
    )
    CONTRACT.assert_holds(answer)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def followed(client: httpx.AsyncClient, after: str, *, limit: int = 100) -> tuple[list[Any], str]:
    """All that there is after a cursor, page by page."""
    told: list[Any] = []
    while page := await ask(client, after=after, limit=limit):
        told += page["changes"]
        after = page["next"]
        if not page["changes"]:
            return told, after
    raise AssertionError


async def test_a_follower_is_told_of_each_customer_once_and_as_it_stands(
    owner: asyncpg.Connection, client: httpx.AsyncClient
) -> None:
    anna, ben, _ = await store_people(owner, ["customer:anna", "customer:ben", "customer:cleo"])
    begun = (await ask(client))["next"]
    await score(owner, anna, ben, to=70)
    last = await score(owner, anna, to=20, band="critical")

    answer = await ask(client, after=begun)

    told = {one["customer"]: (one["score"], one["band"]) for one in answer["changes"]}
    assert told == {"customer:anna": (20, "critical"), "customer:ben": (70, "good")}
    assert {one["version"] for one in answer["changes"] if one["customer"] == "customer:anna"} == {last}
    assert (await ask(client, after=answer["next"]))["changes"] == []


async def test_a_slow_transaction_that_commits_after_a_fast_one_is_not_passed_over(
    postgres_dsn: str, owner: asyncpg.Connection, client: httpx.AsyncClient
) -> None:
    slow, fast = await store_people(owner, ["customer:slow", "customer:fast"])
    after = (await ask(client))["next"]
    held = await asyncpg.connect(postgres_dsn)
    transaction = held.transaction()
    await transaction.start()
    await score(held, slow)
    await score(owner, fast)

    meanwhile, after = await followed(client, after)
    await transaction.commit()
    then, _ = await followed(client, after)

    await held.close()
    assert {one["customer"] for one in [*meanwhile, *then]} == {"customer:slow", "customer:fast"}


async def test_a_page_may_end_in_the_middle_of_what_one_transaction_wrote(
    owner: asyncpg.Connection, client: httpx.AsyncClient
) -> None:
    people = await store_people(owner, [f"customer:c{n}" for n in range(25)])
    after = (await ask(client))["next"]
    await score(owner, *people)
    await score(owner, *people[:3])

    told, _ = await followed(client, after, limit=10)

    assert {one["customer"] for one in told} == {f"customer:c{n}" for n in range(25)}
    assert len((await ask(client, after=after, limit=10))["changes"]) == 10


async def test_a_customer_that_turned_out_to_be_another_is_told_with_it_and_a_higher_version(
    owner: asyncpg.Connection, client: httpx.AsyncClient
) -> None:
    device, anna = await store_people(owner, ["device:d1", "customer:anna"])
    after = (await ask(client))["next"]
    scored = await score(owner, device)
    merged = await merge(owner, device, into=anna)

    told = {one["customer"]: one for one in (await ask(client, after=after))["changes"]}

    assert told["device:d1"]["merged_into"] == "customer:anna"
    assert told["device:d1"]["version"] == merged > scored
    assert "merged_into" not in told["customer:anna"]


async def test_a_list_of_everybody_leads_on_to_what_changed_while_it_was_read(
    owner: asyncpg.Connection, client: httpx.AsyncClient
) -> None:
    people = await store_people(owner, [f"customer:c{n}" for n in range(7)])
    held = {}
    page = await ask(client, "/v1/customers", limit=3)
    await score(owner, people[0], to=10, band="critical")
    await store_people(owner, ["customer:new"])
    while True:
        held.update({one["customer"]: one["score"] for one in page["customers"]})
        if page["next"] is None:
            break
        page = await ask(client, "/v1/customers", limit=3, cursor=page["next"])

    told, _ = await followed(client, page["changes"])

    held.update({one["customer"]: one["score"] for one in told})
    assert held == {"customer:c0": 10, "customer:new": 55, **{f"customer:c{n}": 55 for n in range(1, 7)}}


async def test_a_list_shows_a_band_or_who_is_below_a_score_and_looks_no_further_than_it_may(
    owner: asyncpg.Connection, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = await store_people(owner, [f"customer:c{n}" for n in range(10)])
    await score(owner, people[9], to=20, band="critical")
    await merge(owner, people[0], into=people[1])
    monkeypatch.setattr("services.api.following.LOOKED_AT_MAX", 4)

    pages = [await ask(client, "/v1/customers", band="critical")]
    while pages[-1]["next"] is not None:
        pages.append(await ask(client, "/v1/customers", band="critical", cursor=pages[-1]["next"]))

    assert [[one["customer"] for one in page["customers"]] for page in pages] == [[], [], ["customer:c9"]]
    assert [one["customer"] for one in (await ask(client, "/v1/customers", below=20))["customers"]] == []
    unknown = await client.get("/v1/customers", params={"band": "middling"})
    assert unknown.status_code == 400
    assert "critical" in unknown.json()["detail"]


@asynccontextmanager
async def looked_after(
    dsn: str, *, waiting_max: int = 200
) -> AsyncIterator[tuple[httpx.AsyncClient, asyncio.Task[None]]]:
    """A client of an application that looks at the feed, as the process has it; its pool has two connections."""
    async with opened_store(dsn) as store:
        waiting = Waiting(store, waiting_max=waiting_max)
        looking = asyncio.create_task(waiting.run())
        transport = httpx.ASGITransport(app=example_app(store, waiting=waiting, catalogue=load_catalogue()))
        async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=BEARER) as client:
            yield client, looking
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


async def test_many_wait_without_a_connection_and_all_are_told_of_one_change(
    postgres_dsn: str, owner: asyncpg.Connection
) -> None:
    [anna] = await store_people(owner, ["customer:anna"])
    async with looked_after(postgres_dsn) as (client, _):
        after = (await ask(client))["next"]
        waiting = [asyncio.create_task(ask(client, after=after, wait=30)) for _ in range(20)]
        beside = await ask(client, "/v1/customers")
        await score(owner, anna)
        told = await asyncio.gather(*waiting)

    assert [one["customer"] for one in beside["customers"]] == ["customer:anna"]
    assert [[one["customer"] for one in answer["changes"]] for answer in told] == [["customer:anna"]] * 20


async def test_a_wait_that_brings_nothing_ends_with_a_cursor_that_goes_on(postgres_dsn: str) -> None:
    async with looked_after(postgres_dsn) as (client, _):
        answer = await ask(client, wait=1)
        again = await ask(client, after=answer["next"])

    assert (answer["changes"], again["changes"]) == ([], [])


async def test_one_too_many_is_told_to_come_again_and_a_process_that_ends_lets_nobody_wait(postgres_dsn: str) -> None:
    async with looked_after(postgres_dsn, waiting_max=1) as (client, looking):
        asked = [asyncio.create_task(client.get(CHANGES, params={"wait": 30})) for _ in range(2)]
        [refused], [waits] = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        looking.cancel()
        ended = await waits

    assert (refused.result().status_code, ended.status_code) == (503, 200)
    assert ended.json()["changes"] == []


async def gone(client: httpx.AsyncClient, cursor: str, path: str = CHANGES, name: str = "after") -> None:
    answer = await client.get(path, params={name: cursor})
    CONTRACT.assert_holds(answer)
    assert answer.status_code == 410, answer.text
    assert "GET /v1/customers" in answer.json()["detail"]


async def test_a_cursor_that_is_older_than_what_is_kept_says_so(postgres_dsn: str, owner: asyncpg.Connection) -> None:
    await score(owner, *await store_people(owner, ["customer:anna"]))
    async with read_client(postgres_dsn, catalogue=load_catalogue()) as client:
        after, page = (await ask(client))["next"], (await ask(client, "/v1/customers", limit=1))["next"]
    async with read_client(postgres_dsn, catalogue=load_catalogue(), now=T + timedelta(days=28)) as client:
        refreshed = (await ask(client, after=after))["next"]
    async with read_client(postgres_dsn, catalogue=load_catalogue(), now=T + timedelta(days=30)) as client:
        await gone(client, after)
        await gone(client, page, "/v1/customers", "cursor")
        assert (await ask(client, after=refreshed))["changes"] == []


async def test_a_cursor_of_another_database_or_of_a_history_that_was_taken_back_says_so(
    owner: asyncpg.Connection, client: httpx.AsyncClient, databases: Databases
) -> None:
    people = await store_people(owner, ["customer:anna"])
    await score(owner, *people)
    after = (await ask(client))["next"]
    other = await databases.create()
    async with read_client(databases.server.dsn_of(other), catalogue=load_catalogue()) as elsewhere:
        await gone(elsewhere, after)
    await databases.drop(other)

    # Restored from a backup of before, and gone on from there: a row of the same numbers, written at another time.
    await owner.execute("UPDATE score_change SET at = at + interval '1 microsecond'")

    await gone(client, after)


async def test_a_cursor_of_transactions_that_this_server_has_not_had_yet_says_so(
    owner: asyncpg.Connection, client: httpx.AsyncClient
) -> None:
    await score(owner, *await store_people(owner, ["customer:anna"]))
    after = (await ask(client))["next"]

    await owner.execute("UPDATE score_change SET xact = '9000000000'")

    await gone(client, after)


@pytest.mark.parametrize(
    "parameters",
    [{"wait": "31"}, {"wait": "-1"}, {"limit": "0"}, {"after": "1"}, {"after": "f" * 79 + "g"}, {"since": "now"}],
)
async def test_what_is_asked_in_another_form_is_refused(client: httpx.AsyncClient, parameters: dict[str, str]) -> None:
    answer = await client.get(CHANGES, params=parameters)

    CONTRACT.assert_holds(answer)
    assert answer.status_code == 400


async def test_a_key_without_the_scope_follows_nothing(postgres_dsn: str) -> None:
    async with read_client(postgres_dsn) as client:
        other = {"Authorization": f"Bearer {OTHER_KEY}"}
        statuses = {(await client.get(path, headers=other)).status_code for path in (CHANGES, "/v1/customers")}

    assert statuses == {403}
