"""What others lived through at a place reaches whoever orders there: once an order, whoever is killed on the way."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schemas.instant import write_instant
from schemas.topics import EVENTS
from schemas.touchpoint import TouchpointRecord
from services.aggregator.counting import hearsay
from services.aggregator.counting.census_taking import CensusTaking
from services.aggregator.counting.census_taking import Step as Taken
from services.aggregator.counting.hearsay import Hearsay
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.counting.ports import Store
from services.aggregator.processor import Bounds
from services.core.catalogue import Catalogue
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.errors import UnavailableError
from services.infra.kafka import LogRecord
from services.infra.metrics import PLACE_OPINIONS
from tests.support.chunks import chunk, event
from tests.support.clocks import NOON, StandingClock
from tests.support.memory_log import MemoryLog
from tests.support.said_log import SaidLog

OFF = load_catalogue()
ON = replace(OFF, place_past=0.2)
SHOP = "seller/7"
NOON_MS = int(NOON.timestamp() * 1000)


class Killed(BaseException):
    """The end of a process, of which nothing that it had begun to do is done."""


class ClosedLog(MemoryLog):
    """A log in memory that can be let go of."""

    dies_after_append = False

    async def append(self, records: Sequence[LogRecord]) -> Collection[int]:
        refused = await super().append(records)
        if self.dies_after_append:
            raise Killed
        return refused

    async def close(self) -> None:
        return


class Shop:
    """A worker, a log, and what is told of a place."""

    def __init__(self, store: Store, worker: Pipeline, catalogue: Catalogue) -> None:
        self.store, self.catalogue = store, catalogue
        self.log = ClosedLog()
        self._worker = worker
        self._next = 0

    async def count(self, values: Sequence[bytes]) -> None:
        await self._worker.process(chunk(values, first=self._next, at_ms=NOON_MS))
        self._next += len(values)

    async def census(self, *, hours: int = 0) -> None:
        taking = CensusTaking(self.store, self.catalogue, StandingClock(NOON + timedelta(hours=hours)))
        while await taking.step(rest_s=0, rest_times=0) is not Taken.DONE:
            pass

    async def hear(self) -> bool:
        async def opened() -> ClosedLog:
            return self.log

        return await Hearsay(self.store, StandingClock(), open_log=opened).step()

    @property
    def heard(self) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in self.log.records]

    async def outcomes(self) -> dict[str, int]:
        states = await self.store.progress.states()
        outcomes = [state.outcomes for state in states]
        return {name: sum(getattr(one, name) for one in outcomes) for name in ("applied", "duplicate", "conflict")}


@asynccontextmanager
async def shop_on(store: Store, catalogue: Catalogue) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        said = SaidLog(store)
        worker = await Pipeline.on(store, said, catalogue, cache_rows_max=1000, clock=SystemClock())
        stack.push_async_callback(worker.close)
        await worker.take_ownership({partition: Bounds(*ends) for partition, ends in said.bounds.items()})
        yield Shop(store, worker, catalogue)


@pytest.fixture
async def shop(store: Store) -> AsyncIterator[Shop]:
    async with shop_on(store, ON) as opened:
        yield opened


def damaged(number: int) -> bytes:
    who, time = (f"customer:harmed-{number}",), write_instant(NOON - timedelta(days=2))
    return event(f"d-{number}", time=time, identities=who, touchpoint="delivery.damaged", place=SHOP)


def ordered(
    order: str = "o-1", *, source: str = "shop", place: str = SHOP, hours: int = 0, said: str | None = None
) -> bytes:
    time = write_instant(NOON - timedelta(hours=hours))
    return event(
        f"e-{order}",
        time=time,
        identities=("customer:anna",),
        place=place,
        source=source,
        extra={"order": order, **({"class": said} if said else {})},
    )


HARMED = [damaged(number) for number in range(10)]


async def test_whoever_orders_hears_what_the_place_was_like_to_others(shop: Shop) -> None:
    await shop.count(HARMED)
    await shop.census()
    await shop.count([ordered()])

    assert await shop.hear()
    await shop.count([record.value for record in shop.log.records])

    [heard] = shop.heard
    TouchpointRecord.model_validate(heard)
    assert (heard["source"], heard["subject"], heard["time"]) == (
        "tactus/place-past",
        "customer:anna",
        write_instant(NOON),
    )
    said = heard["data"]
    assert (said["touchpoint"], said["stake"], said["properties"]["about"]) == ("opinion.heard", 0.2, SHOP)
    assert said["properties"]["sentiment"] < -0.5
    assert said["properties"]["confidence"] == 0.5
    assert "place" not in said, "it is no experience at the place, which would be heard of next"
    assert [record.topic for record in shop.log.records] == [EVENTS]
    assert await shop.outcomes() == {"applied": 12, "duplicate": 0, "conflict": 0}
    assert not await shop.hear(), "an opinion is no order"


async def test_a_worker_that_is_killed_leaves_the_same_event_to_be_sent_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearsay, "LEASE_S", 0.0)
    await shop.count(HARMED)
    await shop.census()
    await shop.count([ordered()])
    shop.log.dies_after_append = True
    with pytest.raises(Killed):
        await shop.hear()
    # Meanwhile others came, and the place is another one.
    await shop.count([damaged(number) for number in range(10, 40)])
    await shop.census()

    shop.log.dies_after_append = False
    await shop.hear()
    await shop.count([record.value for record in shop.log.records])

    first, second = shop.heard
    assert first["data"] == second["data"]
    assert await shop.outcomes() == {"applied": 42, "duplicate": 1, "conflict": 0}
    assert not await shop.hear()


async def test_a_log_that_is_read_again_has_its_opinions_already(shop: Shop) -> None:
    await shop.count(HARMED)
    await shop.census()
    await shop.count([ordered()])
    await shop.hear()
    await shop.count([record.value for record in shop.log.records])

    await shop.count([ordered(), ordered(source="till")])
    await shop.hear()

    assert len(shop.heard) == 1, "an order that is told again, by whomever, is heard of once"
    assert (await shop.outcomes())["conflict"] == 0


async def test_two_who_send_share_the_work(shop: Shop) -> None:
    await shop.count(HARMED)
    await shop.census()
    await shop.count([ordered(f"o-{number}") for number in range(3)])
    async with shop.store.transaction() as transaction:
        mine = await transaction.place_past.lease(limit=2, lease_s=60)

    await shop.hear()

    assert len(mine) == 2
    assert len(shop.heard) == 1


async def test_while_the_log_is_away_opinions_wait(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearsay, "LEASE_S", 0.0)
    await shop.count(HARMED)
    await shop.census()
    await shop.count([ordered()])
    shop.log.leave()
    with pytest.raises(UnavailableError):
        await shop.hear()

    shop.log.come_back()
    await shop.hear()

    assert len(shop.heard) == 1


@pytest.mark.parametrize(
    ("order", "census_hours", "outcome"),
    [
        (ordered(place="seller/new"), 0, "unknown"),
        (ordered(hours=30), 0, "old"),
        (ordered(), 2, "old"),
        (ordered(), None, "old"),
    ],
    ids=["nobody-was-there", "an-old-order", "a-census-of-later", "no-census"],
)
async def test_what_is_not_known_of_that_hour_is_not_made_up(
    shop: Shop, order: bytes, census_hours: int | None, outcome: str
) -> None:
    before = PLACE_OPINIONS.labels(outcome)._value.get()
    await shop.count(HARMED)
    if census_hours is not None:
        await shop.census(hours=census_hours)
    await shop.count([order])

    await shop.hear()

    assert shop.heard == []
    assert PLACE_OPINIONS.labels(outcome)._value.get() == before + 1
    assert not await shop.hear(), "it does not wait"


@pytest.mark.parametrize("order", [ordered(place=""), ordered(said="test")], ids=["nowhere", "a-test"])
async def test_what_is_no_order_at_a_place_is_no_question(shop: Shop, order: bytes) -> None:
    await shop.count([*HARMED, order])

    assert not await shop.hear()


async def test_without_a_model_that_says_so_nothing_is_asked(store: Store) -> None:
    async with shop_on(store, OFF) as shop:
        await shop.count([*HARMED, ordered()])
        await shop.census()

        assert not await shop.hear()
        assert shop.heard == []
