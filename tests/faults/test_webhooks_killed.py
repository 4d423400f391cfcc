"""Outbound is killed between sending a webhook and marking it: nothing is lost, and what comes again has the same id."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import pytest

from services.state.roles import OUTBOUND
from tests.support.clocks import StandingClock
from tests.support.counts import chosen_scale, chosen_seed
from tests.support.databases import as_role
from tests.support.receivers import Received, receiver
from tests.support.waiting import eventually
from tests.support.webhooks import deliveries, hooks_on, make_endpoint, put_alert

pytestmark = [pytest.mark.faults, pytest.mark.integration]

KILLS: Final = 20
"""By FAULT_SCALE."""

ALERTS_A_LIFE: Final = 25
LEASE_S: Final = "1"


@asynccontextmanager
async def process(dsn: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        "PATH": os.environ["PATH"],
        "TACTUS_POSTGRES__DSN": as_role(dsn, OUTBOUND),
        "TACTUS_WEBHOOKS__HTTP": "true",
        "TACTUS_WEBHOOKS__NETWORKS": "127.0.0.0/8",
        "TACTUS_LOG_LEVEL": "error",
    }
    command = (sys.executable, "-m", "tests.support.webhook_process", LEASE_S)
    started = await asyncio.create_subprocess_exec(*command, env=environment)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


class Executioner:
    """Answers as a receiver does, and kills who sends before it answers the request that a life is to end with."""

    def __init__(self) -> None:
        self._kill: Callable[[], None] | None = None
        self._left = 0
        self.kills = 0

    def after(self, requests: int, kill: Callable[[], None]) -> None:
        self._left, self._kill = requests, kill

    def __call__(self, _: Received) -> int:
        self._left -= 1
        if self._kill is not None and self._left <= 0:
            self._kill()
            self._kill = None
            self.kills += 1
        return 204


async def test_nothing_is_lost_and_what_comes_again_has_its_id(postgres_dsn: str) -> None:
    seed, kills = chosen_seed(), max(3, round(KILLS * chosen_scale()))
    sys.stderr.write(f"webhooks killed: FAULT_SEED={seed}, {kills} kills\n")
    dice, executioner = random.Random(seed), Executioner()
    owner = await asyncpg.connect(postgres_dsn)
    async with hooks_on(postgres_dsn, StandingClock()):
        pass  # the feeds begin here

    async with receiver(executioner) as made:
        await make_endpoint(owner, made.url())
        for life in range(kills):
            for number in range(ALERTS_A_LIFE):
                await put_alert(owner, rule=f"{life}-{number}")
            async with process(postgres_dsn) as sender:
                executioner.after(dice.randrange(1, ALERTS_A_LIFE), sender.kill)
                await sender.wait()
        async with process(postgres_dsn):
            await eventually(lambda: all_delivered(owner, kills * ALERTS_A_LIFE), what="everything is delivered")

    names = defaultdict(set)
    for one in made.received:
        names[json.loads(one.body)["data"]["rule"]].add(one.headers["webhook-id"])
    assert executioner.kills == kills
    assert len(names) == kills * ALERTS_A_LIFE
    assert {len(ids) for ids in names.values()} == {1}
    # Each kill was between a request and its mark, so something came again.
    assert len(made.received) >= len(names) + kills
    await owner.close()


async def all_delivered(owner: asyncpg.Connection, count: int) -> bool:
    rows = await deliveries(owner)
    return len(rows) == count and {row["state"] for row in rows} == {"delivered"}
