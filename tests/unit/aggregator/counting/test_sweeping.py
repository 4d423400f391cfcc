"""A promise that falls due changes a stored score though nothing happens: the sweep writes it, hour by hour, in portions."""

from __future__ import annotations

from services.aggregator.counting.lag import Lag
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.counting.sweeping import Sweeping
from services.aggregator.processor import Bounds
from tests.support.chunks import chunk
from tests.support.clocks import StandingClock
from tests.support.memory_store import MemoryStore
from tests.support.promises import CATALOGUE, START, Recount, at, said
from tests.support.said_log import SaidLog

START_MS = int(START.timestamp() * 1000)
HOUR = START_MS // 3_600_000
A = "customer:a"


async def counted(store: MemoryStore, values: list[bytes], *, clock: StandingClock) -> None:
    log = SaidLog(store)
    worker = await Pipeline.on(store, log, CATALOGUE, cache_rows_max=10_000, clock=clock)
    await worker.take_ownership({partition: Bounds(*ends) for partition, ends in log.bounds.items()})
    await worker.process(chunk(values, at_ms=START_MS))
    await worker.close()


def clock_at(hours: float) -> StandingClock:
    clock = StandingClock(START)
    clock.at = clock.at.fromisoformat(at(hours))
    return clock


async def test_a_score_is_written_at_the_hour_at_which_its_promise_is_overdue() -> None:
    store, clock = MemoryStore(), clock_at(0)
    ordered = said("e-1", "order.completed", hours=0, order="7", promised_at=at(48.5))
    await counted(store, [ordered], clock=clock)
    sweep = Sweeping(store, CATALOGUE, clock, Lag(store, SaidLog(store)))
    recount = Recount.of([ordered], CATALOGUE, at_ms=START_MS)
    person = store._names[A]

    swept = {}
    for hour in (1, 24, 48, 49, 50, 60):
        clock.at = clock_at(hour).at
        before = store.state.scores[person][1]
        swept[hour] = await sweep.step()
        told, version = store.state.scores[person]
        if swept[hour]:
            assert told == recount.score(A, {A: A}, at_hour=HOUR + hour)
            assert (version > before, store.state.persons[person][2]) == (True, HOUR + hour)

    assert swept == {1: 0, 24: 0, 48: 0, 49: 1, 50: 1, 60: 1}
    assert await sweep.step() == 0


async def test_after_sixty_days_nobody_waits_any_more() -> None:
    store, clock = MemoryStore(), clock_at(0)
    ordered = said("e-1", "order.completed", hours=0, order="7", promised_at=at(0))
    await counted(store, [ordered], clock=clock)
    sweep = Sweeping(store, CATALOGUE, clock, Lag(store, SaidLog(store)))

    clock.at = clock_at(61 * 24).at
    assert await sweep.step() == 1
    clock.at = clock_at(62 * 24).at
    assert await sweep.step() == 0


async def test_who_was_kept_a_promise_is_not_looked_at() -> None:
    store, clock = MemoryStore(), clock_at(100)
    lived = [
        said("e-1", "order.completed", hours=-9, order="7", promised_at=at(-5)),
        said("e-2", "delivery.delivered", hours=-1, order="7"),
        said("e-3", "web.page_viewed", hours=-1),
    ]
    await counted(store, lived, clock=clock)

    assert await Sweeping(store, CATALOGUE, clock, Lag(store, SaidLog(store))).step() == 0


async def test_a_round_is_bounded_and_those_who_wait_longest_come_first() -> None:
    store, clock = MemoryStore(), clock_at(100)
    lived = [
        said(f"e-{n}", "order.completed", hours=0, who=[f"customer:c{n}"], order=f"{n}", promised_at=at(9 - n))
        for n in range(5)
    ]
    await counted(store, lived, clock=clock)
    sweep = Sweeping(store, CATALOGUE, clock, Lag(store, SaidLog(store)), portion=2)

    rounds = [await sweep.step()]
    first = {n for n in range(5) if store.state.persons[store._names[f"customer:c{n}"]][2] == HOUR + 100}
    while rounds[-1]:
        rounds.append(await sweep.step())

    assert rounds == [2, 2, 1, 0]
    assert first == {3, 4}
