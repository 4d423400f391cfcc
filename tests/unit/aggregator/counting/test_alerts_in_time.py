"""Alerts that time alone brings: promises that are overdue, and what recovers in silence."""

from __future__ import annotations

import pytest

from schemas.alert import AlertRecord
from schemas.topics import EVENTS
from services.aggregator.counting.closing_alerts import ClosingAlerts
from services.aggregator.counting.lag import Lag
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.counting.sweeping import Sweeping
from services.aggregator.processor import Bounds
from tests.support.chunks import chunk
from tests.support.clocks import StandingClock
from tests.support.memory_store import MemoryStore
from tests.support.promises import CATALOGUE, START, at, said
from tests.support.said_log import SaidLog

START_MS = int(START.timestamp() * 1000)
HOUR_MS = 3_600_000
TO_MIDNIGHT = 12
"""Hours from the start, which is a noon."""


class Days:
    """A worker, its sweeps, and a clock that goes with the log."""

    def __init__(self, store: MemoryStore, log: SaidLog, worker: Pipeline, clock: StandingClock) -> None:
        self.store = store
        self.log = log
        self._worker = worker
        self._clock = clock
        lag = Lag(store, log)
        self._sweeping = Sweeping(store, CATALOGUE, clock, lag)
        self._closing = ClosingAlerts(store, CATALOGUE, clock, lag)
        self._next = 0

    async def hears(self, *values: bytes, hours: float = 0) -> None:
        await self._worker.process(chunk(values, first=self._next, at_ms=START_MS + int(hours * HOUR_MS)))
        self._next += len(values)
        self.log.bounds[EVENTS, 0] = (0, self._next)

    async def sweeps(self, *, hours: float) -> None:
        self._clock.at = self._clock.at.fromisoformat(at(hours))
        while await self._sweeping.step():
            pass

    async def looks_back(self, *, hours: float) -> int:
        self._clock.at = self._clock.at.fromisoformat(at(hours))
        return await self._closing.step()

    @property
    def told(self) -> list[AlertRecord]:
        return [AlertRecord.model_validate_json(one.value or b"") for one in self.store.state.letters_out]

    @property
    def states(self) -> list[str]:
        return [one.state for one in self.told]


@pytest.fixture
async def days() -> Days:
    store, clock = MemoryStore(), StandingClock(START)
    log = SaidLog(store)
    worker = await Pipeline.on(store, log, CATALOGUE, cache_rows_max=10_000, clock=clock)
    await worker.take_ownership({partition: Bounds(*ends) for partition, ends in log.bounds.items()})
    log.bounds = dict.fromkeys(log.bounds, (0, 0))
    return Days(store, log, worker, clock)


def ordered(*, due: float = 0) -> bytes:
    return said("ordered", "order.completed", hours=-48, order="7", promised_at=at(due))


async def swept_until_told(days: Days, *, hours: range) -> int:
    """The first of these hours at whose sweep anything is told."""
    before = len(days.told)
    for hour in hours:
        await days.sweeps(hours=hour)
        if len(days.told) > before:
            return hour
    raise AssertionError("nothing was told")


async def test_a_parcel_that_does_not_come_opens_an_alert_of_its_promise(days: Days) -> None:
    await days.hears(ordered())

    hour = await swept_until_told(days, hours=range(1, 200))

    [alert] = days.told
    assert hour > 1
    assert (alert.rule, alert.state, alert.customer, alert.tipped) == ("overdue", "opened", "customer:a", None)
    assert alert.promise is not None
    assert (alert.promise.kind, alert.promise.about, alert.promise.due_at) == ("order", "order/7", at(0))
    assert [one.touchpoint for one in alert.reasons] == ["delivery.promise_missed"]
    assert [one.id for one in alert.reasons[0].events] == ["ordered"]


async def test_a_day_later_it_is_critical_and_told_once(days: Days) -> None:
    await days.hears(ordered())
    first = await swept_until_told(days, hours=range(1, 200))

    worse = await swept_until_told(days, hours=range(first + 1, first + 200))
    for hour in range(worse + 1, worse + 30):
        await days.sweeps(hours=hour)

    assert days.states == ["opened", "worsened"]
    assert worse - first <= 24
    assert days.told[-1].severity == "critical"


async def test_the_keeping_of_the_promise_closes_it_at_once(days: Days) -> None:
    await days.hears(ordered())
    first = await swept_until_told(days, hours=range(1, 200))

    came = said("came", "delivery.delivered", hours=first + 1, order="7")
    await days.hears(came, hours=first + 1)

    assert days.states == ["opened", "closed"]


async def test_a_keeping_that_was_only_told_late_withdraws_it(days: Days) -> None:
    await days.hears(ordered())
    first = await swept_until_told(days, hours=range(1, 200))

    await days.hears(said("came", "delivery.delivered", hours=-1, order="7"), hours=first + 1)

    assert days.states == ["opened", "withdrawn"]


async def test_nobody_is_alarmed_while_the_arrival_may_stand_in_the_log(days: Days) -> None:
    await days.hears(ordered())
    days.log.bounds[EVENTS, 1] = (0, 5000)

    for hour in range(1, 100):
        await days.sweeps(hours=hour)

    assert days.told == []


async def test_what_recovers_in_silence_is_closed_by_the_look_at_midnight(days: Days) -> None:
    await days.hears(said("lost", "delivery.lost_or_returned", hours=0, order="9"))
    assert days.states == ["opened"]
    days_passed = 0
    while days.states == ["opened"] and days_passed < 20:
        days_passed += 1
        assert await days.looks_back(hours=TO_MIDNIGHT + 24 * days_passed + 0.5) == 1
        assert await days.looks_back(hours=TO_MIDNIGHT + 24 * days_passed + 0.6) == 0

    assert days.states == ["opened", "closed"]
    assert days.told[1].changed_at == at(TO_MIDNIGHT + 24 * days_passed)
    # For three days there is still reason to open one; then a fortnight passes.
    assert days_passed == 2 + 14


async def test_nothing_is_closed_while_counting_is_behind(days: Days) -> None:
    await days.hears(said("lost", "delivery.lost_or_returned", hours=0, order="9"))
    days.log.bounds[EVENTS, 1] = (0, 5000)

    assert await days.looks_back(hours=24 * 30) == 0

    assert days.states == ["opened"]
