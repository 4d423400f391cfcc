"""Forty receivers that do not mean well beside ten that do: these get everything while those still hold on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import repeat

import asyncpg
import pytest

from services.infra.egress import posting
from services.outbound.webhooks import sender
from services.outbound.webhooks.schedule import RESTS
from tests.support.clocks import StandingClock
from tests.support.receivers import Behaviour, Receiver, answer, hostile, read_request, receiver
from tests.support.waiting import eventually
from tests.support.webhooks import Hooks, deliveries, hooks_on, make_endpoint, put_alert

pytestmark = pytest.mark.integration

HOSTILE_EACH = 8
KIND = 10
ALERTS = 30


async def black_hole(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await read_request(reader)
    await asyncio.Event().wait()


async def failing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(answer(500))
    await writer.drain()


async def resetting(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def huge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 1073741824\r\n\r\n")
    for _ in repeat(None):
        writer.write(b"x" * 65_536)
        await writer.drain()


async def redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(answer(302, location="http://127.0.0.1:1/"))
    await writer.drain()


HOSTILE: tuple[Behaviour, ...] = (black_hole, failing, resetting, huge, redirecting)


@pytest.fixture
async def owner(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def hooks(postgres_dsn: str) -> AsyncIterator[Hooks]:
    async with hooks_on(postgres_dsn, StandingClock(datetime.now(UTC))) as made:
        yield made


async def test_hostile_receivers_keep_nothing_from_the_others(
    owner: asyncpg.Connection, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A black hole holds on for the whole of the test: who waited for it would never end.
    monkeypatch.setattr(posting, "ANSWER_S", 3600.0)
    async with AsyncExitStack() as stack:
        unkind: list[Receiver] = []
        for behave in HOSTILE:
            for _ in range(HOSTILE_EACH):
                unkind.append(await stack.enter_async_context(hostile(behave)))
                await make_endpoint(owner, unkind[-1].url())
        kind = [await stack.enter_async_context(receiver()) for _ in range(KIND)]
        for one in kind:
            await make_endpoint(owner, one.url())
        for number in range(ALERTS):
            await put_alert(owner, rule=f"r{number}")

        async def everything_is_there() -> bool:
            await hooks.spreading.round()
            await hooks.sender.round()
            return all(len(set(one.ids())) == ALERTS for one in kind)

        await eventually(everything_is_there, what="the others have everything")

        holes = unkind[:HOSTILE_EACH]
        assert [one.connections for one in holes] == [sender.EACH_MAX] * HOSTILE_EACH
        # After some failures in a row an endpoint is left alone: not each message is tried.
        most = sender.EACH_MAX + RESTS.failures
        assert max(one.connections for one in unkind) <= most
        states = Counter(row["state"] for row in await deliveries(owner))
        assert states["failed"] == 0
        await hooks.sender.stop()


async def test_what_is_spread_is_sent_at_once_also_beside_a_black_hole(
    owner: asyncpg.Connection, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who would only look now and then would look too late for this test.
    monkeypatch.setattr(sender, "IDLE_S", 3600.0)
    monkeypatch.setattr(posting, "ANSWER_S", 3600.0)
    async with hostile(black_hole) as hole, receiver() as made:
        await make_endpoint(owner, hole.url())
        await make_endpoint(owner, made.url())
        hooks.spreading.start()
        hooks.sender.start()
        try:
            for number in range(1, 4):
                await put_alert(owner, rule=f"r{number}")

                async def is_there(count: int = number) -> bool:
                    return len(made.received) == count

                await eventually(is_there, what="it was sent")
        finally:
            await hooks.spreading.stop()
            await hooks.sender.stop()


async def test_an_endpoint_that_fails_is_tried_by_one_message_at_a_time(
    owner: asyncpg.Connection, hooks: Hooks
) -> None:
    async with hostile(failing) as made:
        endpoint, _ = await make_endpoint(owner, made.url())
        await owner.execute("UPDATE webhook_endpoint SET failures = 1 WHERE id = $1", endpoint)
        for number in range(ALERTS):
            await put_alert(owner, rule=f"r{number}")

        await hooks.settle()

        # One after the other until it rests.
        assert made.connections == RESTS.failures - 1
