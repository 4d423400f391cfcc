"""Publishers are killed and frozen in the middle of their work: followers of the topic miss nothing and never go back."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from services.state.roles import OUTBOUND
from tests.integration.outbound.conftest import OpenPipeline, database, open_pipeline, topics
from tests.support.counted_shop import Shop
from tests.support.counts import chosen_scale, chosen_seed
from tests.support.databases import as_role
from tests.support.followers import (
    followed,
    in_postgres,
    last_of_each_key,
    merged,
    merged_in_postgres,
    published,
    themselves,
)
from tests.support.outboundprocess import OutboundProcess
from tests.support.waiting import eventually

__all__ = ["database", "open_pipeline", "topics"]

pytestmark = [pytest.mark.faults, pytest.mark.integration]

FAULTS: Final = 24
"""By FAULT_SCALE; five of six are kills, the others freeze a publisher until another one has gone on."""

PEOPLE: Final = 400
LEASE: Final = {"TACTUS_OUTBOUND__LEASE_S": "0.5"}


class Load:
    """Counts events for as long as it runs; now and then people turn out to be one."""

    def __init__(self, shop: Shop, choices: random.Random) -> None:
        self._shop = shop
        self._choices = choices
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            people = [self._names() for _ in range(self._choices.randrange(1, 60))]
            touchpoint = self._choices.choice(("order.completed", "case.escalated", "delivery.damaged"))
            await self._shop.count(*people, touchpoint=touchpoint)
            await asyncio.sleep(0.02)

    def _names(self) -> tuple[str, ...]:
        number = self._choices.randrange(PEOPLE)
        visitor = (f"anonymous:n-{number}",)
        known = (f"customer:c-{number}",)
        return self._choices.choices((known, visitor, known + visitor), (6, 3, 1))[0]


@pytest.fixture
async def load(open_pipeline: OpenPipeline) -> AsyncIterator[Load]:
    seed = chosen_seed()
    sys.stderr.write(f"feed: FAULT_SEED={seed}\n")
    running = Load(Shop(await open_pipeline()), random.Random(seed))
    yield running
    await running.stop()


class Publishers:
    """Outbound processes of which one publishes; the test's own hand on them."""

    def __init__(self, bootstrap: str, dsn: str, database: asyncpg.Connection, folder: Path, stack: ExitStack) -> None:
        self._bootstrap, self._dsn, self._folder = bootstrap, as_role(dsn, OUTBOUND), folder
        self._database = database
        self._stack = stack
        self._started = 0
        self._present = self._start()

    def kill(self) -> None:
        """End whoever publishes, and start another one."""
        self._present.kill()
        self._present = self._start()

    async def freeze(self) -> None:
        """Let whoever publishes sleep until another one has gone on for a while, and wake up then."""
        former, self._present = self._present, self._start()
        former.freeze()
        await self.go_on()
        former.thaw()
        await self.go_on()
        former.kill()

    async def go_on(self) -> None:
        """Return when something was published that was not before."""
        before = await self._position()

        async def moved() -> bool:
            return await self._position() > before

        await eventually(moved, what="a publisher goes on")

    async def finish(self) -> None:
        """Return when everything is published."""
        [last] = await self._database.fetch(
            "SELECT xact::text::bigint, id FROM score_change ORDER BY score_change.xact DESC, id DESC LIMIT 1"
        )

        async def done() -> bool:
            return await self._position() >= tuple(last)

        await eventually(done, what="everything is published")

    async def _position(self) -> tuple[int, int]:
        row = await self._database.fetchrow("SELECT xact::text::bigint, id FROM feed_position WHERE feed = 'scores'")
        return (0, 0) if row is None else (row[0], row[1])

    def _start(self) -> OutboundProcess:
        self._started += 1
        log = self._folder / f"outbound-{self._started}.log"
        process = OutboundProcess(self._bootstrap, self._dsn, log, settings=LEASE)
        self._stack.callback(process.kill)
        return process


async def test_publishers_that_are_killed_and_frozen_lose_nothing_and_leave_nothing_old_behind(
    topics: str, postgres_dsn: str, database: asyncpg.Connection, load: Load, tmp_path: Path
) -> None:
    choices = random.Random(chosen_seed())
    with ExitStack() as stack:
        publishers = Publishers(topics, postgres_dsn, database, tmp_path, stack)
        for fault in range(max(2, round(FAULTS * chosen_scale()))):
            await publishers.go_on()
            await asyncio.sleep(choices.uniform(0, 0.15))  # wherever it is by then
            if fault % 6 == 1:
                await publishers.freeze()
            else:
                publishers.kill()
        await publishers.go_on()
        await load.stop()
        await publishers.finish()

    held, kept, present = followed(topics), last_of_each_key(topics), await in_postgres(postgres_dsn)
    assert themselves(held) == themselves(kept) == present
    assert merged(held) == merged(kept) == await merged_in_postgres(postgres_dsn)
    assert len(present) > PEOPLE / 2
    versions: dict[str, int] = {}
    for name, version in published(topics):
        assert version >= versions.get(name, 0)
        versions[name] = version
