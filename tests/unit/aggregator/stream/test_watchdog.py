from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import asyncpg

from services.aggregator.stream.watchdog import EXIT_STUCK, Ends, Look, Outside, start_watchdog, until_stuck
from services.infra.errors import UnavailableError

PARTITION = ("t", 0)
WITHIN_S = 0.03
ENOUGH = 10


class World:
    """A log and a database that can be away, and what the worker shows."""

    def __init__(self, looks: Callable[[], Look]) -> None:
        self.looks = looks
        self.ends: Ends = {PARTITION: (0, 100)}
        self.log_away = 0
        self.database_away = 0
        self.probes = 0
        self.enough = asyncio.Event()

    async def log_ends(self) -> Ends:
        self.probes += 1
        if self.probes >= ENOUGH:
            self.enough.set()
        if self.log_away:
            self.log_away -= 1
            raise UnavailableError("the log is away")
        return self.ends

    async def database(self) -> None:
        if self.database_away:
            self.database_away -= 1
            raise UnavailableError("the database is away")

    @property
    def outside(self) -> Outside:
        return Outside(self.log_ends, self.database)


def still(position: int | None = 10, *, busy: bool = False, moved: int = 5) -> Callable[[], Look]:
    return lambda: Look(moved=moved, busy=busy, positions={PARTITION: position})


async def verdict(world: World) -> str | None:
    """What the watchdog says, or None when it kept still over ENOUGH looks outside."""
    watching = asyncio.ensure_future(until_stuck(world.looks, world.outside, within_s=WITHIN_S))
    enough = asyncio.ensure_future(world.enough.wait())
    async with asyncio.timeout(10):
        await asyncio.wait({watching, enough}, return_when=asyncio.FIRST_COMPLETED)
    enough.cancel()
    if watching.done():
        return watching.result()
    watching.cancel()
    return None


async def test_a_worker_that_stands_still_with_lag_is_ended() -> None:
    reason = await verdict(World(still(10)))

    assert reason == "('t', 0) stands at 10, the log ends at 100"


async def test_a_worker_that_does_not_get_to_own_its_partition_is_ended() -> None:
    reason = await verdict(World(still(None)))

    assert reason == "('t', 0) is assigned but not owned"


async def test_a_rebalance_without_end_is_ended() -> None:
    reason = await verdict(World(lambda: Look(moved=0, busy=True, positions={})))

    assert reason == "starting or rebalancing without end"


async def test_a_worker_with_nothing_to_do_is_left_alone() -> None:
    assert await verdict(World(still(100))) is None


async def test_a_worker_without_partitions_is_left_alone() -> None:
    assert await verdict(World(lambda: Look(moved=0, busy=False, positions={}))) is None


async def test_records_that_retention_removed_are_no_lag() -> None:
    world = World(still(10))
    world.ends = {PARTITION: (100, 100)}

    assert await verdict(world) is None


async def test_an_outage_of_the_database_for_minutes_ends_no_worker() -> None:
    world = World(still(10))
    world.database_away = 1000

    assert await verdict(world) is None


async def test_an_outage_of_the_log_for_minutes_ends_no_worker() -> None:
    world = World(still(10))
    world.log_away = 1000

    assert await verdict(world) is None


async def test_the_time_a_worker_is_allowed_begins_anew_after_an_outage() -> None:
    world = World(still(10))
    world.database_away = 7

    assert await verdict(world) is not None
    assert world.probes == 7 + 3


async def test_any_step_forward_begins_the_count_anew() -> None:
    moves: Iterator[int] = iter([1, 1, 1, 2, 2, 2, 3, *[3] * 100])
    world = World(lambda: Look(moved=next(moves), busy=False, positions={PARTITION: 10}))

    assert await verdict(world) is not None
    assert world.probes == 2 + 2 + 3


async def test_a_log_that_hangs_is_away() -> None:
    world = World(still(10))
    ask = world.log_ends

    async def hang() -> Ends:
        await ask()
        raise TimeoutError

    world.log_ends = hang  # type: ignore[method-assign] # scripted

    assert await verdict(world) is None


async def test_an_answer_that_breaks_off_strangely_is_no_answer_and_the_watch_goes_on() -> None:
    world = World(still(10))
    breaks = 7

    async def break_off() -> None:
        nonlocal breaks
        if breaks:
            breaks -= 1
            raise asyncpg.InternalClientError("got result for unknown protocol state")

    watching = until_stuck(still(10), Outside(world.log_ends, break_off), within_s=WITHIN_S)

    assert await asyncio.wait_for(watching, 10) == "('t', 0) stands at 10, the log ends at 100"
    assert world.probes == 7 + 3


def test_a_watch_that_fails_itself_ends_the_worker() -> None:
    codes: list[int] = []
    bitten = threading.Event()

    def bite(code: int) -> None:
        codes.append(code)
        bitten.set()

    def look() -> Look:
        raise RuntimeError("dictionary changed size during iteration")

    start_watchdog(look, World(still(10)).outside, within_s=WITHIN_S, end=bite).join(10)

    assert bitten.is_set()
    assert codes == [EXIT_STUCK]


def test_a_worker_whose_loop_is_blocked_is_ended_too() -> None:
    codes: list[int] = []
    bitten = threading.Event()

    def bite(code: int) -> None:
        codes.append(code)
        bitten.set()

    async def block_the_loop() -> None:
        start_watchdog(still(10), World(still(10)).outside, within_s=WITHIN_S, end=bite)
        assert bitten.wait(10)  # no await: this loop runs nothing else meanwhile

    asyncio.run(block_the_loop())

    assert codes == [EXIT_STUCK]
