"""Whoever waits for changes at the process that operators run is told of one at once, and let go when it ends."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import asyncpg
import httpx
import pytest

from services.state.roles import READER
from tests.support.apiprocess import ApiProcess, api_process
from tests.support.databases import as_role
from tests.support.readapi import BEARER
from tests.support.scored import score, store_people
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

CHANGES = "/v1/scores/changes"


@pytest.fixture
async def api(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[ApiProcess]:
    with api_process(as_role(postgres_dsn, READER), tmp_path) as process:
        wait_until(lambda: httpx.get(f"{process.url}/readyz").status_code == 200, what="it is ready")
        yield process


def waiting(api: ApiProcess) -> int:
    """How many wait, as operators see it."""
    found = re.search(
        r"^tactus_waiting_requests ([0-9.]+)$", httpx.get(f"{api.operations_url}/metrics").text, re.MULTILINE
    )
    assert found
    return int(float(found[1]))


def ask(api: ApiProcess) -> httpx.Response:
    return httpx.get(api.url + CHANGES, params={"wait": 30}, headers=BEARER, timeout=60)


def somebody_waits(api: ApiProcess, pool: ThreadPoolExecutor) -> Future[httpx.Response]:
    asked = pool.submit(ask, api)
    wait_until(lambda: waiting(api) == 1, what="somebody waits")
    return asked


async def test_who_waits_is_told_of_a_change_and_waits_no_more(api: ApiProcess, postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    people = await store_people(connection, ["customer:anna"])
    with ThreadPoolExecutor(1) as pool:
        asked = somebody_waits(api, pool)
        await score(connection, *people)
        answer = asked.result()
    await connection.close()

    assert [one["customer"] for one in answer.json()["changes"]] == ["customer:anna"]
    assert waiting(api) == 0


async def test_a_process_that_is_told_to_stop_answers_who_waits(api: ApiProcess) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = somebody_waits(api, pool)
        code = api.stop()
        answer = asked.result()

    assert code == 0
    assert (answer.status_code, answer.json()["changes"]) == (200, [])
