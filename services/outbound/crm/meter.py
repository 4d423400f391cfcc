"""Count calls before they are made, in the database: a restart forgets none, and only who holds the connector makes any."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from services.core.instants import instant_of
from services.infra.clock import Clock
from services.infra.errors import UnavailableError
from services.outbound.crm.budget import Granted, Spent, ask, day_begins
from services.outbound.crm.configuration import ConnectorTable
from services.outbound.crm.contract import Trouble
from services.state.outbound import OutboundDatabase

HELD_FOR: Final = timedelta(seconds=150)
"""Longer than the longest call: whoever takes over later than that meets no call of ours under way."""

SHORT_S: Final = 15.0
"""A burst that is paid back so soon is waited for in the middle of a batch."""

Sleep = Callable[[float], Awaitable[None]]


class Meter:
    """The budget of one connector."""

    def __init__(
        self, table: ConnectorTable, database: OutboundDatabase, clock: Clock, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._table = table
        self._database = database
        self._clock = clock
        self._sleep = sleep
        self._holder = ""

    def hold(self, holder: str) -> None:
        """Spend in this process's name."""
        self._holder = holder

    async def spend(self, calls: int) -> Trouble | None:
        """Ask for calls; waits for a burst to be paid back, and is in trouble for the rest of a day that is used up."""
        waited_s = 0.0
        while True:
            try:
                wait_s = await self._try(calls)
            except UnavailableError as error:
                return Trouble("away", f"calls cannot be counted: {error}")
            if not isinstance(wait_s, float):
                return wait_s
            waited_s += wait_s
            if wait_s > SHORT_S or waited_s > HELD_FOR.total_seconds() / 2:
                return Trouble("throttled", "the budget of calls is used up", wait_s)
            await self._sleep(wait_s)

    async def _count_aside(self, calls: int) -> Trouble | None:
        """Count the few calls of a command, which a running process does not wait for."""
        if await self.left_today() < calls:
            return Trouble("throttled", "the budget of calls is used up")
        now = instant_of(self._clock.now_us())
        async with self._database.transaction() as transaction:
            await transaction.crm.count(self._table.name, hour=int(now.timestamp()) // 3600, calls=calls)
        return None

    async def left_today(self) -> int:
        """How many calls of the day are left."""
        async with self._database.transaction() as transaction:
            now = instant_of(self._clock.now_us())
            used = await transaction.crm.calls(self._table.name, after_hour=day_begins(now))
        return max(0, self._table.limits.day_calls - used)

    async def _try(self, calls: int) -> float | Trouble | None:
        """Take the calls, or say how long to wait for them."""
        now = instant_of(self._clock.now_us())
        name = self._table.name
        if not self._holder:
            return await self._count_aside(calls)
        async with self._database.transaction() as transaction:
            held = await transaction.crm.hold(name, holder=self._holder, now=now, until=now + HELD_FOR)
            if held is None:
                return Trouble("away", "another process speaks to the system")
            used = await transaction.crm.calls(name, after_hour=day_begins(now))
            said = ask(self._table.limits, Spent(held.burst_level, held.burst_at, used), calls=calls, now=now)
            if not isinstance(said, Granted):
                return max(said.seconds, 0.001)
            hour = int(now.timestamp()) // 3600
            await transaction.crm.spend(name, hour=hour, calls=calls, burst_level=said.burst_level, at=now)
        return None
