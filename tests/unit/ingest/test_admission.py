"""Who is let in when there is more than can be borne at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from services.ingest.admission import FullError, Gate


def gate(*, inside: int = 10, waiting: int = 20, wait_s: float = 5.0) -> Gate:
    return Gate(inside_max=inside, waiting_max=waiting, wait_s=wait_s)


async def turn(of: Gate, key: str, cost: int, done: list[str], name: str) -> None:
    async with of.inside(key, cost):
        done.append(name)


async def test_what_does_not_fit_waits_for_its_turn_in_the_order_of_arrival() -> None:
    doors, done = gate(), list[str]()
    async with AsyncExitStack() as inside:
        await inside.enter_async_context(doors.inside("a", 5))
        await inside.enter_async_context(doors.inside("b", 5))
        waiting = [asyncio.create_task(turn(doors, "c", 4, done, name)) for name in ("first", "second")]
        await asyncio.sleep(0)
        assert done == []

    await asyncio.gather(*waiting)
    assert done == ["first", "second"]


async def test_one_key_has_at_most_half_so_that_others_find_a_place() -> None:
    doors = gate()
    async with doors.inside("greedy", 5):
        greedy = asyncio.create_task(turn(doors, "greedy", 5, [], "more"))
        await asyncio.sleep(0)

        async with asyncio.timeout(1), doors.inside("other", 5):
            assert not greedy.done()

    await greedy


async def test_a_line_that_is_full_refuses_at_once_and_a_wait_in_vain_ends() -> None:
    doors = gate(waiting=8, wait_s=0.01)
    async with doors.inside("a", 5), doors.inside("b", 5):
        waiting = asyncio.create_task(turn(doors, "c", 4, [], "in vain"))
        await asyncio.sleep(0)
        assert doors.is_full("c", 4)
        with pytest.raises(FullError):
            async with doors.inside("c", 4):
                pass
        with pytest.raises(FullError):
            await waiting

    assert not doors.is_full("c", 4)


async def test_who_leaves_the_line_leaves_no_trace() -> None:
    doors, done = gate(), list[str]()
    async with doors.inside("a", 5), doors.inside("b", 5):
        gone = asyncio.create_task(turn(doors, "c", 5, done, "gone"))
        stays = asyncio.create_task(turn(doors, "c", 5, done, "stays"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)

    await stays
    async with asyncio.timeout(1), doors.inside("a", 5), doors.inside("b", 5):
        assert done == ["stays"]


async def test_what_is_larger_than_all_there_is_takes_its_own_keys_half() -> None:
    doors, done = gate(), list[str]()

    async with asyncio.timeout(1), doors.inside("a", 100):
        more = asyncio.create_task(turn(doors, "a", 1, done, "more of it"))
        await turn(doors, "b", 5, done, "other")
        assert done == ["other"]

    await more


async def test_what_turns_out_dearer_keeps_only_its_own_key_waiting() -> None:
    doors, done = gate(), list[str]()

    async with asyncio.timeout(1), doors.inside("a", 2) as ticket:
        ticket.grow(50)
        more = asyncio.create_task(turn(doors, "a", 1, done, "more of it"))
        await asyncio.sleep(0)
        await turn(doors, "b", 5, done, "other")
        assert done == ["other"]
        ticket.grow(2)
        await more

    assert done == ["other", "more of it"]


async def test_the_line_of_one_key_is_no_reason_to_send_another_away() -> None:
    doors = gate(waiting=8)
    async with doors.inside("a", 5), doors.inside("b", 5):
        waiting = [asyncio.create_task(turn(doors, "a", cost, [], "a")) for cost in (4, 100)]
        await asyncio.sleep(0)
        assert doors.is_full("a", 1)
        assert not doors.is_full("c", 4)

    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_small_request_goes_in_at_once_whatever_others_hold() -> None:
    doors = gate(inside=640, waiting=320)
    async with doors.inside("a", 320), doors.inside("b", 320):
        waiting = [asyncio.create_task(turn(doors, key, 160, [], key)) for key in ("c", "d")]
        await asyncio.sleep(0)
        async with asyncio.timeout(1), doors.inside("e", 5), doors.inside("e", 5):
            assert doors.is_full("e", 1)
            assert not any(one.done() for one in waiting)

    await asyncio.gather(*waiting)


async def test_who_gives_up_in_the_turn_in_which_it_is_let_in_gives_its_place_back() -> None:
    doors = gate()
    async with AsyncExitStack() as inside:
        await inside.enter_async_context(doors.inside("a", 5))
        await inside.enter_async_context(doors.inside("b", 5))
        given_up = asyncio.create_task(turn(doors, "c", 5, [], "given up"))
        await asyncio.sleep(0)
        given_up.cancel()

    await asyncio.gather(given_up, return_exceptions=True)
    async with asyncio.timeout(1), doors.inside("a", 5), doors.inside("b", 5):
        assert given_up.cancelled()
