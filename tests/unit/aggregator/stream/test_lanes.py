from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aggregator.processor import Chunk
from services.aggregator.stream import lanes as lanes_module
from services.aggregator.stream.lanes import Lanes, Work
from services.infra.errors import FencedError


def chunk(part: int, number: int) -> Chunk:
    return Chunk(topic="t", part=part, first=number, next=number + 1, records=())


class Bench:
    """Lanes over a process whose chunks end when they are told to, with what happened written down."""

    def __init__(self, lanes: int) -> None:
        self.begun: list[Chunk] = []
        self.stored: list[Chunk] = []
        self.failures: list[Exception] = []
        self.gates: dict[tuple[int, int], asyncio.Future[None]] = {}
        self.lanes = Lanes(self._process, lanes=lanes, failed=self._fail)

    def put(self, one: Chunk) -> None:
        self.lanes.put(Work(one, stored=lambda: self.stored.append(one)))

    async def end(self, one: Chunk, error: Exception | None = None) -> None:
        gate = self.gates[one.part, one.first]
        if error:
            gate.set_exception(error)
        else:
            gate.set_result(None)
        await self.settle_down()

    async def settle_down(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _process(self, one: Chunk) -> None:
        self.begun.append(one)
        gate = self.gates[one.part, one.first] = asyncio.get_running_loop().create_future()
        await gate

    def _fail(self, error: Exception) -> None:
        self.failures.append(error)


async def test_chunks_of_a_partition_run_one_after_the_other() -> None:
    bench = Bench(lanes=4)
    first, second = chunk(0, 1), chunk(0, 2)
    bench.put(first)
    bench.put(second)
    await bench.settle_down()
    assert bench.begun == [first]

    await bench.end(first)

    assert bench.begun == [first, second]
    assert bench.stored == [first]


async def test_no_more_chunks_run_at_once_than_there_are_lanes() -> None:
    bench = Bench(lanes=2)
    for part in range(5):
        bench.put(chunk(part, 0))
    await bench.settle_down()
    assert len(bench.begun) == 2

    await bench.end(chunk(0, 0))

    assert len(bench.begun) == 3


async def test_a_partition_that_is_stuck_does_not_hold_up_the_others() -> None:
    bench = Bench(lanes=2)
    bench.put(chunk(0, 0))  # never ends
    bench.put(chunk(0, 1))
    for number in range(3):
        bench.put(chunk(1, number))
    await bench.settle_down()

    for number in range(3):
        await bench.end(chunk(1, number))

    assert bench.stored == [chunk(1, 0), chunk(1, 1), chunk(1, 2)]
    await bench.lanes.settle(within_s=0)


async def test_a_busy_partition_leaves_the_turn_to_those_that_wait() -> None:
    bench = Bench(lanes=1)
    for number in range(3):
        bench.put(chunk(0, number))
    bench.put(chunk(1, 0))
    await bench.settle_down()

    await bench.end(chunk(0, 0))

    assert bench.begun == [chunk(0, 0), chunk(1, 0)]
    await bench.lanes.settle(within_s=0)


@pytest.mark.parametrize("error", [FencedError("another owns it"), ValueError("a bug")], ids=["fenced", "bug"])
async def test_a_failed_chunk_is_not_told_stored_and_nothing_is_begun_after_it(error: Exception) -> None:
    bench = Bench(lanes=1)
    for part in range(3):
        bench.put(chunk(part, 0))
    bench.put(chunk(0, 1))
    await bench.settle_down()

    await bench.end(chunk(0, 0), error)

    bench.put(chunk(2, 1))
    await bench.settle_down()
    assert bench.failures == [error]
    assert bench.stored == []
    assert bench.begun == [chunk(0, 0)]


async def test_settling_ends_what_has_begun_and_drops_what_waits() -> None:
    bench = Bench(lanes=1)
    bench.put(chunk(0, 0))
    bench.put(chunk(0, 1))
    bench.put(chunk(1, 0))
    await bench.settle_down()

    settling = asyncio.create_task(bench.lanes.settle(within_s=30))
    await bench.settle_down()
    await bench.end(chunk(0, 0))
    await settling

    assert bench.stored == [chunk(0, 0)]
    assert bench.begun == [chunk(0, 0)]


async def test_a_chunk_that_does_not_end_in_time_is_cancelled_and_not_told_stored() -> None:
    bench = Bench(lanes=1)
    bench.put(chunk(0, 0))
    await bench.settle_down()

    await bench.lanes.settle(within_s=0.01)

    assert bench.gates[0, 0].cancelled()
    assert bench.stored == []
    assert bench.failures == []


async def test_lanes_go_on_after_settling() -> None:
    bench = Bench(lanes=1)
    bench.put(chunk(0, 0))
    await bench.settle_down()
    await bench.lanes.settle(within_s=0.01)

    bench.put(chunk(0, 5))
    await bench.settle_down()
    await bench.end(chunk(0, 5))

    assert bench.stored == [chunk(0, 5)]


@given(
    parts=st.lists(st.integers(min_value=0, max_value=4), max_size=40),
    lanes=st.integers(min_value=1, max_value=5),
    pick=st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_every_chunk_is_stored_once_and_in_order_whatever_ends_first(
    parts: list[int], lanes: int, pick: object
) -> None:
    asyncio.run(_work_off(parts, lanes, pick.choice))  # type: ignore[attr-defined] # typed as object


async def _work_off(parts: list[int], lanes: int, choice: Callable[[list[Chunk]], Chunk]) -> None:
    bench = Bench(lanes)
    work = [chunk(part, number) for number, part in enumerate(parts)]
    for one in work:
        bench.put(one)
    await bench.settle_down()

    while running := [one for one in bench.begun if one not in bench.stored]:
        assert len(running) <= lanes
        assert len({one.part for one in running}) == len(running)
        await bench.end(choice(running))

    assert sorted(bench.stored) == sorted(work)
    for part in set(parts):
        assert [one for one in bench.stored if one.part == part] == [one for one in work if one.part == part]


async def test_a_chunk_that_cannot_even_be_cancelled_holds_up_neither_its_partition_nor_a_lane(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes_module, "CANCEL_S", 0.01)
    hang: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    stored: list[int] = []

    async def process(one: Chunk) -> None:
        while one.first == 1 and not hang.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(hang)

    failures: list[Exception] = []
    lanes = Lanes(process, lanes=1, failed=failures.append)

    async def put(number: int) -> None:
        lanes.put(Work(chunk(0, number), stored=lambda: stored.append(number)))
        for _ in range(10):
            await asyncio.sleep(0)

    await put(1)
    await lanes.settle(within_s=0.01)
    await put(2)
    hang.set_result(None)
    await asyncio.sleep(0)
    await put(3)

    assert stored == [2, 1, 3]
    assert failures == []
