"""Let in as much as can be borne at once: the rest waits in a short line, and whom the line has no place for is told."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

SHARE: Final = 2
"""One key has at most the half of what is let in and of the line: the others always find the other half."""

WAITING_MAX: Final = 2048
"""Requests in line; each holds a connection, some KiB of state, and what it has sent so far."""


class FullError(Exception):
    """There is no place in the line, or the wait was in vain."""


class _Waiting(NamedTuple):
    cost: int
    turn: asyncio.Future[None]


@dataclass(eq=False)
class Ticket:
    """What one request that was let in holds."""

    gate: Gate
    key: str
    cost: int

    def grow(self, cost: int) -> None:
        """Hold more: what a request costs shows better the more of it is known."""
        self.gate.take(self.key, cost - self.cost)
        self.cost = cost


class Gate:
    """Holds the cost of what is let in within a bound; keys take turns, and requests of one key go in their order.

    What would never fit is let in while its key has nothing else inside.
    """

    def __init__(self, *, inside_max: int, waiting_max: int, wait_s: float) -> None:
        self._inside_max = inside_max
        self._waiting_max = waiting_max
        self._wait_s = wait_s
        self._inside = 0
        self._inside_of: dict[str, int] = {}
        self._waiting = 0
        self._waiting_of: dict[str, int] = {}
        self._count = 0
        self._lines: OrderedDict[str, deque[_Waiting]] = OrderedDict()

    def is_full(self, key: str, cost: int) -> bool:
        """Tell whether a request would find no place, neither inside nor in line."""
        if not self._lines and self._fits(key, cost):
            return False
        of_key = self._waiting_of.get(key, 0)
        return (
            self._count >= WAITING_MAX
            or (self._waiting > 0 and self._waiting + cost > self._waiting_max)
            or (of_key > 0 and of_key + cost > self._waiting_max // SHARE)
        )

    @asynccontextmanager
    async def inside(self, key: str, cost: int) -> AsyncIterator[Ticket]:
        """Wait for a turn and hold it; raises FullError when there is no place, or no turn in time."""
        if self.is_full(key, cost):
            raise FullError
        if not self._lines and self._fits(key, cost):
            self.take(key, cost)
        else:
            await self._turn(key, cost)
        ticket = Ticket(self, key, cost)
        try:
            yield ticket
        finally:
            self.take(key, -ticket.cost)
            self._let_in()

    def take(self, key: str, cost: int) -> None:
        """Account for what a key has inside."""
        self._inside += cost
        _add(self._inside_of, key, cost)

    def _fits(self, key: str, cost: int) -> bool:
        return self._may_have(key, cost) and (
            self._inside + cost <= self._inside_max or cost > self._inside_max // SHARE
        )

    def _may_have(self, key: str, cost: int) -> bool:
        of_key = self._inside_of.get(key, 0)
        return not of_key or of_key + cost <= self._inside_max // SHARE

    async def _turn(self, key: str, cost: int) -> None:
        waiting = _Waiting(cost, asyncio.get_running_loop().create_future())
        self._lines.setdefault(key, deque()).append(waiting)
        self._count += 1
        self._waiting += cost
        _add(self._waiting_of, key, cost)
        self._let_in()
        try:
            async with asyncio.timeout(self._wait_s):
                await waiting.turn
        except BaseException as error:
            if waiting in self._lines.get(key, ()):
                self._lines[key].remove(waiting)
                self._left(key, cost)
            else:
                self.take(key, -cost)
            self._let_in()
            if isinstance(error, TimeoutError):
                raise FullError from error
            raise

    def _left(self, key: str, cost: int) -> None:
        if not self._lines[key]:
            del self._lines[key]
        self._count -= 1
        self._waiting -= cost
        _add(self._waiting_of, key, -cost)

    def _let_in(self) -> None:
        """Let in who fits, one of each key in turn; nobody overtakes a request that waits for others to end."""
        for key in list(self._lines):
            while key in self._lines and self._may_have(key, self._lines[key][0].cost):
                if not self._fits(key, self._lines[key][0].cost):
                    return
                self._admit_first(key)
                if len(self._lines) > 1:
                    break

    def _admit_first(self, key: str) -> None:
        first = self._lines[key].popleft()
        self._lines.move_to_end(key)
        self._left(key, first.cost)
        self.take(key, first.cost)
        # One that was given up in this very turn of the loop notices it in the next, and gives its place back.
        if not first.turn.done():
            first.turn.set_result(None)


def _add(costs: dict[str, int], key: str, cost: int) -> None:
    left = costs.get(key, 0) + cost
    if left:
        costs[key] = left
    else:
        costs.pop(key, None)
