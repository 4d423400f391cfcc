"""What the read API says while sources are silent: in a customer's score, and to Prometheus."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from prometheus_client import REGISTRY

from services.api.source_watch import SourceWatch
from services.infra import metrics
from services.infra.collectors import Levels
from services.infra.sources import Source, Sources
from tests.support.clocks import StandingClock
from tests.support.customers import Lived, store_person
from tests.support.openapi import Contract
from tests.support.readapi import T, example_catalogue, opened_store, read_client

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
HOUR = timedelta(hours=1)
ANNA = "customer:anna"
VISITS = [
    Lived(ANNA, "checkout.done", T - n * HOUR, 0.4, source="web/snippet" if n % 2 else "shop") for n in range(1, 7)
]
NOW_HOUR = int(T.timestamp()) // 3600


def source(name: str, *, kind: str = "server") -> Source:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return Source.model_validate({"name": name, "kind": kind, "keys_sha256": [digest]})


CONFIGURED = Sources(sources=[source("web", kind="browser"), source("shop"), source("store", kind="till")])


@pytest.fixture
async def anna(postgres_dsn: str) -> str:
    model = example_catalogue().model_version
    await store_person(postgres_dsn, VISITS, customer=ANNA, version=7, model_version=model, as_of=NOW_HOUR)
    return postgres_dsn


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    yield
    for metric in vars(metrics).values():
        if isinstance(metric, Levels):
            metric.set({})


def level(metric: Levels, name: str) -> float | None:
    return REGISTRY.get_sample_value(metric.name, {"source": name})


async def hear(dsn: str, name: str, *, hours: range, live: int, rejected: int = 0, clock_ms: int | None = None) -> None:
    """Store what a worker would have folded of a source that sent so much in each of these hours."""
    connection = await asyncpg.connect(dsn)
    first, last = (datetime.fromtimestamp(hour * 3600 + 1800, UTC) for hour in (hours[0], hours[-1]))
    await connection.execute("INSERT INTO source_seen VALUES ($1, $2, $3)", name, first, last)
    await connection.executemany(
        "INSERT INTO source_hour VALUES ($1, $2, $3, 0, $4, 1, 0, $5)",
        [(name, hour, live, rejected, clock_ms) for hour in hours],
    )
    await connection.close()


async def test_a_score_names_the_usual_sources_that_are_silent(anna: str) -> None:
    async with read_client(anna, silent=frozenset({"web", "store"})) as client:
        stale = await client.get(f"/v1/customers/{ANNA}")
        past = await client.get(f"/v1/customers/{ANNA}", params={"at": T.isoformat()})
    async with read_client(anna) as client:
        fresh = await client.get(f"/v1/customers/{ANNA}")

    for answer in (stale, past, fresh):
        CONTRACT.assert_holds(answer)
    assert stale.json()["stale"] == ["web"]
    assert past.json()["stale"] == fresh.json()["stale"] == []
    assert stale.json()["score"] == fresh.json()["score"]


async def test_a_copy_of_before_the_silence_is_not_said_to_hold(anna: str) -> None:
    async with read_client(anna) as client:
        fresh = await client.get(f"/v1/customers/{ANNA}")
        same = await client.get(f"/v1/customers/{ANNA}", headers={"If-None-Match": fresh.headers["etag"]})
    async with read_client(anna, silent=frozenset({"web"})) as client:
        other = await client.get(f"/v1/customers/{ANNA}", headers={"If-None-Match": fresh.headers["etag"]})
        again = await client.get(f"/v1/customers/{ANNA}", headers={"If-None-Match": other.headers["etag"]})

    assert [answer.status_code for answer in (fresh, same, other, again)] == [200, 304, 200, 304]
    assert other.json()["stale"] == ["web"]


async def test_gauges_show_each_configured_source_and_no_other(postgres_dsn: str) -> None:
    past = NOW_HOUR - 4 * 168
    await hear(postgres_dsn, "web", hours=range(past, NOW_HOUR - 20), live=30, clock_ms=-90_000)
    await hear(postgres_dsn, "shop", hours=range(past, NOW_HOUR + 1), live=30, rejected=2, clock_ms=1_500)
    await hear(postgres_dsn, "former", hours=range(past, NOW_HOUR - 20), live=30)

    async with opened_store(postgres_dsn) as database:
        watch = SourceWatch(database, lambda: CONFIGURED, StandingClock(T))
        assert watch.silent() == frozenset()
        assert await watch.look()

    assert watch.silent() == {"web"}
    silent_s = level(metrics.SOURCE_SILENT_SECONDS, "web")
    assert silent_s == pytest.approx((T - datetime.fromtimestamp((NOW_HOUR - 21) * 3600 + 1800, UTC)).total_seconds())
    assert [level(metrics.SOURCE_SILENT_SECONDS, name) for name in ("shop", "store", "former")] == [0, 0, None]
    assert level(metrics.SOURCE_LAST_EVENT, "store") == 0
    assert level(metrics.SOURCE_DAY_EVENTS, "shop") == 24 * 30
    assert level(metrics.SOURCE_DAY_EXPECTED, "shop") == pytest.approx(23 * 30, abs=30)
    assert level(metrics.SOURCE_DAY_REJECTED, "shop") == 24 * 2
    assert level(metrics.SOURCE_CLOCK_SECONDS, "shop") == 1.5
    assert level(metrics.SOURCE_CLOCK_SECONDS, "web") is None


async def test_gauges_add_up_the_tills_of_a_source(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute(
        "INSERT INTO till_day VALUES (current_date, 'store/042/3', '{[1,5),[8,9)}', false, -120000, now()),"
        " (current_date, 'store/042/4', '{[1,2),[3,4)}', false, 40, now()),"
        " (current_date, 'gone/1/1', '{[1,2),[3,4)}', false, 40, now())"
    )
    await connection.close()

    async with opened_store(postgres_dsn) as database:
        await SourceWatch(database, lambda: CONFIGURED, StandingClock(T)).look()

    assert level(metrics.TILLS_MISSING, "store") == 4
    assert level(metrics.TILLS_CLOCK_SECONDS, "store") == -120
    assert level(metrics.TILLS_MISSING, "gone") is None


async def test_only_so_many_sources_are_shown(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "SOURCES_SHOWN_MAX", 2)

    async with opened_store(postgres_dsn) as database:
        await SourceWatch(database, lambda: CONFIGURED, StandingClock(T)).look()

    assert [level(metrics.SOURCE_LAST_EVENT, name) for name in ("web", "shop", "store")] == [0, 0, None]


async def test_what_was_seen_last_holds_while_the_database_is_away(postgres_dsn: str) -> None:
    await hear(postgres_dsn, "web", hours=range(NOW_HOUR - 4 * 168, NOW_HOUR - 20), live=30)
    async with opened_store(postgres_dsn) as database:
        watch = SourceWatch(database, lambda: CONFIGURED, StandingClock(T))
        await watch.look()
        connection = await asyncpg.connect(postgres_dsn)
        await connection.execute("ALTER TABLE source_seen RENAME TO source_away")
        await connection.close()

        assert not await watch.look()

    assert watch.silent() == {"web"}
