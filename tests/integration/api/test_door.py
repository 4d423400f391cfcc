"""Who may ask what, and what a question that cannot be answered gets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import asyncpg
import httpx
import pytest

from schemas.problem import PROBLEMS
from tests.support.customers import Lived, store_person
from tests.support.databases import Databases
from tests.support.openapi import Contract
from tests.support.readapi import BEARER, OTHER_KEY, T, example_catalogue, read_client

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
ANNA = "customer:anna"
PATHS = [f"/v1/customers/{ANNA}{rest}" for rest in ("", "/receipt", "/journey", "/change", "/history")]
HOUR_OF_T = int(T.timestamp()) // 3600


async def store_anna(dsn: str) -> str:
    await store_person(
        dsn,
        [Lived(ANNA, "call.taken", T, 0.5)],
        customer=ANNA,
        version=7,
        model_version=example_catalogue().model_version,
        as_of=HOUR_OF_T,
    )
    return dsn


@pytest.fixture(scope="module")
def anna(databases: Databases) -> Iterator[str]:
    """A database that the tests of this module only read."""
    name = asyncio.run(databases.create())
    yield asyncio.run(store_anna(databases.server.dsn_of(name)))
    asyncio.run(databases.drop(name))


@pytest.fixture
async def own_anna(postgres_dsn: str) -> str:
    """A database that one test may change."""
    return await store_anna(postgres_dsn)


def assert_problem(response: httpx.Response, slug: str) -> None:
    CONTRACT.assert_holds(response)
    assert response.status_code == PROBLEMS[slug].status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["type"] == PROBLEMS[slug].uri


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("authorization", "slug"),
    [
        (None, "unauthorized"),
        ("Bearer", "unauthorized"),
        ("Bearer wrong", "unauthorized"),
        ("Basic a-read-key-of-the-tests", "unauthorized"),
        (f"Bearer {OTHER_KEY}", "forbidden"),
    ],
)
async def test_only_a_key_with_the_scope_reads_scores(
    anna: str, path: str, authorization: str | None, slug: str
) -> None:
    async with read_client(anna) as client:
        del client.headers["Authorization"]
        response = await client.get(path, headers={} if authorization is None else {"Authorization": authorization})

    assert_problem(response, slug)
    assert ("www-authenticate" in response.headers) == (slug == "unauthorized")


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/v1/customers/customer:nobody", "unknown-customer"),
        ("/v1/customers/email:nobody@example.com/journey", "unknown-customer"),
        ("/v1/customers/anna", "invalid-identity"),
        ("/v1/customers/customer:", "invalid-identity"),
        ("/v1/customers/:anna", "invalid-identity"),
        ("/v1/customers/Customer:anna", "invalid-identity"),
        ("/v1/customers/customer:an%00na", "invalid-identity"),
        ("/v1/customers/customer:an%0Ana", "invalid-identity"),
        ("/v1/customers/customer:%FF", "invalid-identity"),
        ("/v1/customers/customer:%ED%A0%80/receipt", "invalid-identity"),
        ("/v1/customers/email:not-an-address", "invalid-identity"),
        ("/v1/customers/phone:12", "invalid-identity"),
        (f"/v1/customers/customer:{'a' * 257}", "invalid-identity"),
        (f"{PATHS[0]}?at=yesterday", "bad-parameter"),
        (f"{PATHS[0]}?at=2026-03-01T12:00:00", "bad-parameter"),
        (f"{PATHS[0]}?at=2026-02-30T12:00:00Z", "bad-parameter"),
        (f"{PATHS[0]}?at=9999-12-31T23:59:59-01:00", "bad-parameter"),
        (f"{PATHS[0]}?at=", "bad-parameter"),
        (f"{PATHS[0]}?at=2026-03-01T12:06:00Z", "bad-parameter"),
        (f"{PATHS[1]}?at=2026-03-02T12:00:00Z", "bad-parameter"),
        (f"{PATHS[0]}?at=2026-03-01T12:00:00Z&at=2026-03-01T12:00:00Z", "bad-parameter"),
        (f"{PATHS[0]}?since=1", "bad-parameter"),
        (f"{PATHS[1]}?limit=1", "bad-parameter"),
        (f"{PATHS[2]}?at=2026-03-01T12:00:00Z", "bad-parameter"),
        (f"{PATHS[2]}?limit=0", "bad-parameter"),
        (f"{PATHS[2]}?limit=501", "bad-parameter"),
        (f"{PATHS[2]}?limit=%D9%A1", "bad-parameter"),
        (f"{PATHS[2]}?cursor=abc", "bad-parameter"),
        (f"{PATHS[2]}?cursor=%FF", "bad-parameter"),
        ("/v1/nothing", "not-found"),
        ("/v1/customers/customer:anna/", "not-found"),
        ("/v1/customers/customer:anna/receipt/more", "not-found"),
    ],
)
async def test_what_cannot_be_answered_is_a_problem_that_says_what_to_do(anna: str, path: str, slug: str) -> None:
    async with read_client(anna) as client:
        response = await client.get(path)
        after = await client.get(PATHS[0])

    if slug == "not-found":
        assert (response.status_code, response.json()["type"]) == (404, PROBLEMS[slug].uri)
    else:
        assert_problem(response, slug)
    assert after.status_code == 200


async def test_a_problem_never_repeats_the_input(anna: str) -> None:
    mark = "zebra4711"
    async with read_client(anna) as client:
        responses = [
            await client.get(path)
            for path in (
                f"/v1/customers/{mark}",
                f"/v1/customers/customer:{mark}",
                f"/v1/customers/email:{mark}",
                f"{PATHS[0]}?{mark}={mark}",
                f"{PATHS[0]}?at={mark}",
                f"{PATHS[2]}?cursor={mark}",
                f"/{mark}",
            )
        ]

    for response in responses:
        assert response.status_code >= 400
        assert mark not in response.text + str(response.headers)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_another_method_is_told_which_are_allowed(anna: str, path: str, method: str) -> None:
    async with read_client(anna) as client:
        response = await client.request(method, path)

    assert_problem(response, "method-not-allowed")
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("text/html, application/*;q=0.5", 200),
        ("*/*;q=0.1", 200),
        ("text/html", 406),
        ("application/json;q=0, text/html", 406),
    ],
)
async def test_an_answer_is_json_or_406(anna: str, accept: str, status: int) -> None:
    async with read_client(anna) as client:
        response = await client.get(PATHS[0], headers={"Accept": accept})

    assert response.status_code == status
    CONTRACT.assert_holds(response)


@pytest.mark.parametrize("path", PATHS)
async def test_a_copy_of_the_same_version_is_answered_without_a_body(anna: str, path: str) -> None:
    async with read_client(anna) as client:
        first = await client.get(path)
        tag = first.headers["etag"]
        same = await client.get(path, headers={"If-None-Match": tag})
        weak = await client.get(path, headers={"If-None-Match": f'"1", W/{tag}'})
        other = await client.get(path, headers={"If-None-Match": '"6"'})

    assert tag == '"7"'
    assert first.headers["cache-control"] == "no-store"
    assert [same.status_code, weak.status_code, other.status_code] == [304, 304, 200]
    assert same.headers["etag"] == tag
    for response in (same, weak, other):
        CONTRACT.assert_holds(response)


async def test_a_copy_is_not_called_good_when_the_score_has_aged_since(own_anna: str) -> None:
    connection = await asyncpg.connect(own_anna)
    await connection.execute("UPDATE person SET as_of = as_of - 1")
    await connection.close()

    async with read_client(own_anna) as client:
        aged = await client.get(PATHS[0], headers={"If-None-Match": '"7"'})
        fixed = await client.get(
            PATHS[0], params={"at": (T - timedelta(hours=3)).isoformat()}, headers={"If-None-Match": '"7"'}
        )

    assert aged.status_code == 200
    assert fixed.status_code == 304


async def test_a_copy_is_not_called_good_under_another_model(own_anna: str) -> None:
    connection = await asyncpg.connect(own_anna)
    await connection.execute("UPDATE model SET version = 'another'")
    await connection.close()

    async with read_client(own_anna) as client:
        response = await client.get(PATHS[0], headers={"If-None-Match": '"7"'})

    assert response.status_code == 200


@pytest.mark.parametrize("path", PATHS)
async def test_head_says_what_get_would(anna: str, path: str) -> None:
    async with read_client(anna) as client:
        got, headed = await client.get(path), await client.head(path)

    assert headed.status_code == got.status_code
    assert headed.headers["etag"] == got.headers["etag"]


async def test_a_person_whose_first_events_are_not_committed_is_unknown(postgres_dsn: str) -> None:
    await store_person(postgres_dsn, [], customer=ANNA, version=0)

    async with read_client(postgres_dsn) as client:
        response = await client.get(PATHS[0])

    assert_problem(response, "unknown-customer")


async def test_a_database_without_tables_is_unavailable_and_not_a_failure(own_anna: str) -> None:
    connection = await asyncpg.connect(own_anna)
    await connection.execute("DROP TABLE person CASCADE")
    await connection.close()

    async with read_client(own_anna) as client:
        response = await client.get(PATHS[0])

    assert_problem(response, "unavailable")
    assert int(response.headers["retry-after"]) > 0


async def test_a_fault_of_ours_is_a_problem_too(own_anna: str) -> None:
    connection = await asyncpg.connect(own_anna)
    await connection.execute("ALTER TABLE tally_row RENAME COLUMN worst TO lost")
    await connection.close()

    async with read_client(own_anna) as client:
        response = await client.get(PATHS[0])

    assert_problem(response, "internal")


async def test_the_contract_is_served_to_everybody(postgres_dsn: str) -> None:
    async with read_client(postgres_dsn) as client:
        del client.headers["Authorization"]
        response = await client.get("/v1/openapi.json")
        health = [await client.get(path) for path in ("/livez", "/readyz")]

    assert response.json() == CONTRACT.document
    for answer in (response, *health):
        assert answer.status_code == 200
        CONTRACT.assert_holds(answer)


async def test_a_key_is_read_whatever_the_case_of_its_scheme(anna: str) -> None:
    async with read_client(anna) as client:
        response = await client.get(PATHS[0], headers={"Authorization": BEARER["Authorization"].replace("B", "b")})

    assert response.status_code == 200


async def test_behind_a_proxy_of_ours_each_client_is_slowed_down_by_itself(anna: str) -> None:
    async with read_client(anna) as client:
        tries = [
            await client.get(
                PATHS[0], headers={"Authorization": "Bearer guess", "X-Forwarded-For": f"192.0.2.7, {whom}"}
            )
            for whom in ["198.51.100.1"] * 40 + ["198.51.100.2"]
        ]

    assert [answer.status_code for answer in tries] == [401] * 30 + [429] * 10 + [401]


async def test_whoever_tries_keys_is_slowed_down_and_whoever_has_one_is_not(anna: str) -> None:
    async with read_client(anna) as client:
        tries = [await client.get(PATHS[0], headers={"Authorization": f"Bearer guess-{n}"}) for n in range(40)]
        valid = await client.get(PATHS[0], headers=BEARER)

    assert [answer.status_code for answer in tries] == [401] * 30 + [429] * 10
    assert_problem(tries[-1], "too-many-requests")
    assert int(tries[-1].headers["retry-after"]) > 0
    assert valid.status_code == 200
