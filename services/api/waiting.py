"""Let those wait who follow scores: they hold no connection, and one who looks at the feed wakes all of them."""

from __future__ import annotations

import asyncio
from typing import Final

from services.infra.errors import UnavailableError
from services.infra.logs import get_logger
from services.infra.metrics import FOLLOWERS_WAITING
from services.state.database import ReadDatabase
from services.state.following import BEGINNING, Mark

EVERY_S: Final = 0.25
"""While somebody waits: what is committed is told within so long, and a look takes a fraction of a millisecond."""

AGAIN_S: Final = 2.0
"""After a look that failed."""

WAITING_MAX: Final = 200
"""Of the thousand requests that may run at once; each is some KiB."""

log = get_logger(__name__)


class Waiting:
    """Knows where the feed ends, and who waits for it to go on."""

    def __init__(self, database: ReadDatabase, *, waiting_max: int = WAITING_MAX) -> None:
        self._database = database
        self._waiting_max = waiting_max
        self._waiting = 0
        self._somebody = asyncio.Event()
        self._moved = asyncio.Event()
        self._tail = BEGINNING
        self._ended = False

    async def beyond(self, mark: Mark, *, within_s: float) -> bool:
        """Wait until there is something after a mark; False when there is nothing by then.

        Raises UnavailableError when too many wait already.
        """
        if self._ended or within_s <= 0:
            return False
        if self._waiting >= self._waiting_max:
            raise UnavailableError("as many wait for changes as may")
        self._waiting += 1
        FOLLOWERS_WAITING.inc()
        self._somebody.set()
        try:
            async with asyncio.timeout(within_s):
                await self._beyond(mark)
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
            FOLLOWERS_WAITING.dec()
        return not self._ended

    async def run(self) -> None:
        """Look again and again while anybody waits; ends only when cancelled, and then nobody waits any more."""
        try:
            while True:
                await self._somebody.wait()
                await asyncio.sleep(await self._look())
                if not self._waiting:
                    self._somebody.clear()
        finally:
            self._ended = True
            self._wake()

    async def _beyond(self, mark: Mark) -> None:
        place = (mark.xact, mark.id)
        while (self._tail.xact, self._tail.id) <= place and not self._ended:
            await self._moved.wait()

    async def _look(self) -> float:
        try:
            async with self._database.snapshot() as snapshot:
                tail = await snapshot.following.tail()
        except UnavailableError as error:
            log.warning("changes_not_seen", because=str(error), again_in_s=AGAIN_S)
            return AGAIN_S
        if tail != self._tail:
            self._tail = tail
            self._wake()
        return EVERY_S

    def _wake(self) -> None:
        """Wake all who wait at this moment; who comes later waits for the next move."""
        self._moved.set()
        self._moved = asyncio.Event()
