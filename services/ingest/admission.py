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

SMALL: Final = 64
"""What keeps a key's total within such a fraction goes in at once, whatever others hold: keys are few."""

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
        """Hold more or less: what a request costs shows better the more of it is known."""
        self.gate.take(self.key, cost - self.cost)
        self.cost = cost


class _Shared:
    """How much of something each key holds; what goes over a key's part takes nothing from the others.

    A request may turn out dearer than it was let in for, and one dearer than a part is let in as well: then its key waits
    until that is done, and nobody else does.
    """

    def __init__(self, whole: int) -> None:
        self.whole = whole
        self._part = whole // SHARE
        self._of: dict[str, int] = {}
        self._taken = 0

    def of(self, key: str) -> int:
        """Tell what a key holds."""
        return self._of.get(key, 0)

    def add(self, key: str, cost: int) -> None:
        """Account for what a key takes, or with a negative cost gives back."""
        before = self.of(key)
        after = before + cost
        self._taken += min(after, self._part) - min(before, self._part)
        if after:
            self._of[key] = after
        else:
            del self._of[key]

    def suits(self, key: str, cost: int) -> bool:
        """Tell whether so much more is within a key's part; a key that has nothing may have anything."""
        return not self.of(key) or self.of(key) + cost <= self._part

    def has_room(self, cost: int) -> bool:
        """Tell whether the keys together leave room for so much, or for a part."""
        return self._taken + min(cost, self._part) <= self.whole


class Gate:
    """Holds the cost of what is let in within a bound; keys take turns, and requests of one key go in their order."""

    def __init__(self, *, inside_max: int, waiting_max: int, wait_s: float) -> None:
        self._wait_s = wait_s
        self._inside = _Shared(inside_max)
        self._waiting = _Shared(waiting_max)
        self._places = _Shared(WAITING_MAX)
        self._lines: OrderedDict[str, deque[_Waiting]] = OrderedDict()

    def is_full(self, key: str, cost: int) -> bool:
        """Tell whether a request would find no place, neither inside nor in line."""
        if self._goes_in(key, cost):
            return False
        line = ((self._waiting, cost), (self._places, 1))
        return not all(of.suits(key, amount) and of.has_room(amount) for of, amount in line)

    @asynccontextmanager
    async def inside(self, key: str, cost: int) -> AsyncIterator[Ticket]:
        """Wait for a turn and hold it; raises FullError when there is no place, or no turn in time."""
        if self._goes_in(key, cost):
            self.take(key, cost)
        elif self.is_full(key, cost):
            raise FullError
        else:
            await self._turn(key, cost)
        ticket = Ticket(self, key, cost)
        try:
            yield ticket
        finally:
            ticket.grow(0)

    def take(self, key: str, cost: int) -> None:
        """Account for what a key has inside; what it gives back is somebody's turn."""
        self._inside.add(key, cost)
        if cost < 0:
            self._let_in()

    def _goes_in(self, key: str, cost: int) -> bool:
        """Tell whether a request need not wait: nobody does who would fit, or it is small."""
        if key in self._lines:
            return False
        is_small = self._inside.of(key) + cost <= self._inside.whole // SMALL
        return is_small or (not self._lines and self._fits(key, cost))

    def _fits(self, key: str, cost: int) -> bool:
        return self._inside.suits(key, cost) and self._inside.has_room(cost)

    async def _turn(self, key: str, cost: int) -> None:
        waiting = _Waiting(cost, asyncio.get_running_loop().create_future())
        self._lines.setdefault(key, deque()).append(waiting)
        self._waiting.add(key, cost)
        self._places.add(key, 1)
        self._let_in()
        try:
            async with asyncio.timeout(self._wait_s):
                await waiting.turn
        except BaseException as error:
            if waiting in self._lines.get(key, ()):
                self._lines[key].remove(waiting)
                self._left(key, cost)
                self._let_in()
            else:
                self.take(key, -cost)
            if isinstance(error, TimeoutError):
                raise FullError from error
            raise

    def _left(self, key: str, cost: int) -> None:
        if not self._lines[key]:
            del self._lines[key]
        self._waiting.add(key, -cost)
        self._places.add(key, -1)

    def _let_in(self) -> None:
        """Let in who fits, one of each key in turn; nobody overtakes a request that waits for others to end."""
        for key in list(self._lines):
            while key in self._lines and self._inside.suits(key, self._lines[key][0].cost):
                if not self._inside.has_room(self._lines[key][0].cost):
                    return
                self._admit_first(key)
                if len(self._lines) > 1:
                    break

    def _admit_first(self, key: str) -> None:
        first = self._lines[key].popleft()
        self._lines.move_to_end(key)
        self._left(key, first.cost)
        self._inside.add(key, first.cost)
        # One that was given up in this very turn of the loop notices it in the next, and gives its place back.
        if not first.turn.done():
            first.turn.set_result(None)
