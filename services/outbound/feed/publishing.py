"""Follow a feed into the log: read what is settled, publish it, then move on; one process at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from services.infra.background import Background
from services.infra.errors import ConfigurationError, FencedError, UnavailableError
from services.infra.kafka import FencedProducer
from services.infra.logs import get_logger
from services.infra.metrics import FEED_RECORDS
from services.outbound.feed.batch import Batch, Reading
from services.state.feeds import Position
from services.state.outbound import OutboundDatabase

log = get_logger(__name__)

IDLE_S: Final = 0.1
"""Between two looks when there was nothing: what a follower waits for at most, beside two queries of a millisecond."""

AGAIN_S: Final = 1.0
"""After a round that failed: what is away is asked for so often."""


class Publishing:
    """The task that publishes one feed for as long as the process lives and holds the feed.

    The lease only keeps processes out of each other's way. What keeps the order is the producer's name: it is taken
    before the position and the rows are read, so whatever a former holder could still append stands before what is read
    here, and what it would append later is refused.
    """

    def __init__(
        self, database: OutboundDatabase, producer: FencedProducer, reading: Reading, *, holder: UUID, lease_s: float
    ) -> None:
        self._database = database
        self._producer = producer
        self._reading = reading
        self._holder = holder
        self._lease_s = lease_s
        self._positions: dict[str, Position] | None = None
        self._held_at = 0.0
        self._background = Background(f"feed_of_{reading.feed}", self.step, again_s=AGAIN_S)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=0)

    async def stop(self) -> None:
        """Leave off, and leave the feed to another process at once."""
        await self._background.stop()
        await self._producer.close()
        if self._positions is not None:
            self._positions = None
            try:
                async with self._database.transaction() as transaction:
                    await transaction.feeds.release(self._reading.feed, self._holder)
            except UnavailableError as error:
                log.warning("feed_not_released", feed=self._reading.feed, because=str(error))

    async def step(self) -> float:
        """One batch; how long to pause after it. Raises UnavailableError; then everything is looked up anew."""
        try:
            return await self._go_on()
        except FencedError as error:
            # Whoever has the name by now has the feed too, or will in a moment.
            log.warning("feed_fenced", feed=self._reading.feed, because=str(error))
            self._positions = None
            return self._lease_s
        except ConfigurationError as error:
            self._positions = None
            raise UnavailableError(str(error)) from error  # others of this process go on, and an operator may mend it
        except BaseException:
            self._positions = None
            raise

    async def _go_on(self) -> float:
        if not await self._hold():
            await self._producer.close()
            return self._lease_s / 3
        if not self._producer.is_open:
            await self._producer.open()
            self._positions = None  # read before the name was taken: a former holder may have gone on since
            return 0
        batch = await self._read()
        if batch is None:
            return IDLE_S
        if batch.records:
            await self._producer.publish(batch.records)
        return 0 if await self._move(batch) else IDLE_S

    async def _hold(self) -> bool:
        """Whether the feed is ours; asked for again before the lease runs out."""
        now = asyncio.get_running_loop().time()
        if self._positions is not None and now - self._held_at < self._lease_s / 3:
            return True
        feeds = (self._reading.feed, *self._reading.beside)
        await self._database.open()
        async with self._database.transaction() as transaction:
            held = await transaction.feeds.hold(
                feeds[0], self._holder, for_s=self._lease_s, of_states=self._reading.of_states
            )
            if held is None:
                self._positions = None
                return False
            self._positions = {feeds[0]: held} | {feed: await transaction.feeds.position(feed) for feed in feeds[1:]}
        self._held_at = now
        return True

    async def _read(self) -> Batch | None:
        async with self._database.transaction() as transaction:
            return await self._reading.next(transaction, self._known())

    async def _move(self, batch: Batch) -> bool:
        """Note that a batch is in the log; False when the feed is somebody else's by now, who publishes it once more."""
        known = self._known()
        after = {**known, **batch.positions}
        feed = self._reading.feed
        now = asyncio.get_running_loop().time()
        async with self._database.transaction() as transaction:
            feeds = transaction.feeds
            if not await feeds.move_held(feed, self._holder, after[feed], for_s=self._lease_s):
                self._positions = None
                return False
            for other in self._reading.beside:
                if other in batch.positions:
                    await feeds.move(other, after[other])
        self._positions, self._held_at = after, now
        for record in batch.records:
            FEED_RECORDS.labels(record.topic).inc()
        return True

    def _known(self) -> Mapping[str, Position]:
        if self._positions is None:
            raise UnavailableError("the feed is not held")
        return self._positions
