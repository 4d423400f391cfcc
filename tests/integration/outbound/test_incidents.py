"""Incidents over a real database: one for each cause, by one process at a time, told as it grows, over when people recover."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr

from schemas.incident import IncidentRecord
from services.infra.settings import PostgresSettings
from services.outbound.incidents.watching import IncidentWatch
from services.state.outbound import OutboundDatabase
from services.state.roles import OUTBOUND
from tests.support.alerts import Raised, alert_id, close_alerts, owner_of, raise_alerts
from tests.support.clocks import NOON, StandingClock
from tests.support.databases import as_role

pytestmark = pytest.mark.integration

QUIET = timedelta(hours=2)
SWIFT = ("delivery.promise_missed", "delivery", "carrier/swift")
TILL = ("pos.queue_waited", "pos", "store/014")


class Watching(NamedTuple):
    """A process that looks for incidents, and its clock."""

    watch: IncidentWatch
    clock: StandingClock
    dsn: str

    async def records(self) -> list[IncidentRecord]:
        """What went out so far, in its order."""
        async with owner_of(self.dsn) as connection:
            rows = await connection.fetch("SELECT topic, key, value FROM outbox ORDER BY id")
        assert {row["topic"] for row in rows} <= {"cx.alerts.v1"}
        return [IncidentRecord.model_validate_json(row["value"]) for row in rows]

    async def states(self) -> list[tuple[str, int]]:
        """What was told of incidents: what happened, and how many people there were."""
        return [(record.state, record.people) for record in await self.records()]

    async def rows(self, query: str) -> list[Any]:
        async with owner_of(self.dsn) as connection:
            return [row[0] for row in await connection.fetch(query)]


@asynccontextmanager
async def watching(dsn: str, clock: StandingClock) -> AsyncIterator[Watching]:
    database = OutboundDatabase(PostgresSettings(dsn=SecretStr(as_role(dsn, OUTBOUND))), application="tactus-tests")
    try:
        yield Watching(IncidentWatch(database, clock, quiet_s=QUIET.total_seconds()), clock, dsn)
    finally:
        await database.close()


@pytest.fixture
async def one(postgres_dsn: str) -> AsyncIterator[Watching]:
    async with watching(postgres_dsn, StandingClock()) as made:
        yield made


def fallen(
    numbers: Sequence[int], *, at: datetime = NOON, leaf: tuple[str, str, str] = SWIFT, score: float = 40.0
) -> list[Raised]:
    return [
        Raised(number, f"customer:c{number}", opened_at=at, leaves=(leaf,), score=score - number / 10)
        for number in numbers
    ]


async def test_ten_people_of_one_carrier_are_one_incident_named_by_it(one: Watching) -> None:
    await raise_alerts(one.dsn, [*fallen(range(1, 12)), *fallen(range(50, 55), leaf=TILL)])

    await one.watch.look()
    await one.watch.look()

    [record] = await one.records()
    assert (record.state, record.along, record.value, record.people) == ("opened", "place", "carrier/swift", 11)
    assert [worst.customer for worst in record.worst] == [f"customer:c{number}" for number in range(11, 1, -1)]
    grouped = await one.rows("SELECT count(*) FROM alert WHERE incident IS NOT NULL")
    assert grouped == [11]


async def test_who_comes_later_joins_and_is_told_coalesced(one: Watching) -> None:
    await raise_alerts(one.dsn, fallen(range(1, 11)))
    await one.watch.look()

    for number in range(11, 25):
        one.clock.at += timedelta(seconds=30)
        await raise_alerts(one.dsn, fallen([number], at=one.clock.at))
        await one.watch.look()

    assert await one.states() == [("opened", 10), ("grown", 20)]
    one.clock.at += timedelta(minutes=16)
    await one.watch.look()
    assert await one.states() == [("opened", 10), ("grown", 20), ("grown", 24)]
    assert await one.rows("SELECT people FROM incident") == [24]


async def test_an_incident_is_resolved_once_people_have_recovered_and_nobody_falls(one: Watching) -> None:
    await raise_alerts(one.dsn, fallen(range(1, 11)))
    await one.watch.look()
    await close_alerts(one.dsn, [alert_id(number) for number in range(1, 5)], at=NOON)

    one.clock.at = NOON + QUIET
    await one.watch.look()
    assert await one.states() == [("opened", 10)]

    # A fifth has no alert closed, and a score that has regained half.
    async with owner_of(one.dsn) as connection:
        await connection.execute(
            "UPDATE person SET score = 51 WHERE id = (SELECT person FROM identity WHERE value = 'customer:c5')"
        )
    await one.watch.look()

    assert await one.states() == [("opened", 10), ("resolved", 10)]
    assert await one.rows("SELECT state FROM incident") == ["resolved"]


async def test_an_alert_after_the_end_does_not_open_it_again(one: Watching) -> None:
    await raise_alerts(one.dsn, fallen(range(1, 11)))
    await one.watch.look()
    await close_alerts(one.dsn, [alert_id(number) for number in range(1, 11)], at=NOON)
    one.clock.at = NOON + QUIET
    await one.watch.look()

    for number in range(11, 20):
        await raise_alerts(one.dsn, fallen([number], at=one.clock.at))
        await one.watch.look()

    assert await one.states() == [("opened", 10), ("resolved", 10)]
    assert await one.rows("SELECT count(*) FROM alert WHERE incident IS NULL") == [9]


async def test_a_trickle_keeps_it_open(one: Watching) -> None:
    await raise_alerts(one.dsn, fallen(range(1, 11)))
    await one.watch.look()
    await close_alerts(one.dsn, [alert_id(number) for number in range(1, 11)], at=NOON)

    for number in (11, 12, 13):
        one.clock.at += timedelta(minutes=100)
        await raise_alerts(one.dsn, fallen([number], at=one.clock.at))
        await one.watch.look()

    assert "resolved" not in [state for state, _ in await one.states()]


async def test_what_happens_every_day_at_this_hour_is_none(one: Watching) -> None:
    for day in range(1, 5):
        numbers = range(100 * day, 100 * day + 5)
        await raise_alerts(one.dsn, fallen(numbers, at=NOON - timedelta(days=day, minutes=20)))
    await raise_alerts(one.dsn, fallen(range(1, 15)))

    await one.watch.look()
    assert await one.states() == []

    await raise_alerts(one.dsn, fallen([15]))
    await one.watch.look()
    [record] = await one.records()
    assert (record.people, record.usual) == (15, 5.0)


async def test_accounts_and_what_was_withdrawn_make_none(one: Watching) -> None:
    await raise_alerts(one.dsn, [Raised(number, account=f"a{number}", leaves=(SWIFT,)) for number in range(1, 8)])
    await raise_alerts(one.dsn, [raised._replace(state="withdrawn") for raised in fallen(range(10, 20))])

    await one.watch.look()

    assert await one.records() == []


async def test_of_many_processes_that_look_at_once_one_tells(postgres_dsn: str) -> None:
    await raise_alerts(postgres_dsn, fallen(range(1, 13)))
    clock = StandingClock()

    async with watching(postgres_dsn, clock) as first, watching(postgres_dsn, clock) as second:
        for _ in range(5):
            await asyncio.gather(first.watch.look(), second.watch.look())
        told = await first.states()

    assert told == [("opened", 12)]


async def test_while_another_leads_nobody_waits_and_nothing_is_told_twice(one: Watching) -> None:
    await raise_alerts(one.dsn, fallen(range(1, 11)))
    await one.watch.look()
    await raise_alerts(one.dsn, fallen(range(11, 31)))

    async with owner_of(one.dsn) as other, other.transaction():
        await other.execute("SELECT FROM feed_position WHERE feed = 'incidents' FOR UPDATE")
        await one.watch.look()
        assert await one.states() == [("opened", 10)]
    await one.watch.look()

    assert await one.states() == [("opened", 10), ("grown", 30)]


async def test_the_worst_are_kept_without_their_names(one: Watching) -> None:
    await raise_alerts(one.dsn, fallen(range(1, 11)))

    await one.watch.look()

    [worst] = await one.rows("SELECT worst FROM incident")
    assert "customer" not in worst
    assert len(json.loads(worst)) == 10
