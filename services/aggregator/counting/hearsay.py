"""Let whoever orders at a place hear what others lived through there: an event of our own in the log.

Off unless the model in use says what is at stake (`place_past`). What is heard is what the last census knew at the hour of the
order; it is written down, sent, and removed, in this order, so that a worker that is killed between two of them leaves the same
event to be sent again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, Protocol
from uuid import UUID

import msgspec

from schemas.instant import write_instant
from schemas.topics import EVENTS, LATE
from schemas.touchpoint import TYPE
from services.aggregator.counting.dedup import Sifted
from services.aggregator.counting.ports import ChunkTransaction, Store
from services.aggregator.counting.records import Event
from services.core.census import EVERYTHING, PLACE
from services.core.facts import TELLS
from services.core.hearsay import HEARD, ORDERED, SOURCE, Opinion, of_that_hour, opinion_of
from services.core.instants import hour_of, instant_of
from services.core.sameness import event_key
from services.infra.background import Background
from services.infra.clock import Clock
from services.infra.kafka import LogRecord
from services.infra.metrics import PLACE_OPINIONS
from services.state.place_past import Awaited, OrderAtPlace

EVERY_S: Final = 5.0
"""How soon an order's opinion is looked for; the score moves by it once it is counted."""

AGAIN_S: Final = 30.0
"""After a round that failed: the log is away, or the database."""

ROUND_MAX: Final = 500
"""Opinions that are sent together, 300 KiB."""

LEASE_S: Final = 60.0
"""Several times as long as the log may take to answer; who was killed meanwhile is not waited for much longer."""

LATE_AFTER_HOURS: Final = 24
"""As at the door: what is older takes the lane beside."""

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class Appending(Protocol):
    """What is needed of the log."""

    async def append(self, records: Sequence[LogRecord]) -> Collection[int]:
        """Return when all are durable but those at the returned positions; raises UnavailableError."""

    async def close(self) -> None:
        """Let go of the log."""


OpenLog = Callable[[], Awaitable[Appending]]


class Hearsay:
    """The task that sends opinions for as long as the worker lives; it opens the log with the first of them."""

    def __init__(self, store: Store, clock: Clock, *, open_log: OpenLog) -> None:
        self._store = store
        self._clock = clock
        self._open_log = open_log
        self._log: Appending | None = None
        self._background = Background("hearsay", self._round, again_s=AGAIN_S)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=EVERY_S)

    async def stop(self) -> None:
        """Leave off; what is not sent waits, and another worker or start will send it."""
        await self._background.stop()
        if self._log is not None:
            await self._log.close()

    async def step(self) -> bool:
        """Send some of what is awaited; False when nothing is. Raises UnavailableError, and then it waits."""
        async with self._store.transaction() as transaction:
            awaited = await transaction.place_past.lease(limit=ROUND_MAX, lease_s=LEASE_S)
            if not awaited:
                return False
            sent = await _written(transaction, awaited)
        if sent:
            # Outside of any transaction: the log may take its time.
            self._log = self._log or await self._open_log()
            now_us = self._clock.now_us()
            await self._log.append([_record(one, now_us=now_us) for one in sent])
            async with self._store.transaction() as transaction:
                await transaction.place_past.remove([one.key for one in sent])
            PLACE_OPINIONS.labels("heard").inc(len(sent))
        return True

    async def _round(self) -> float:
        return 0.0 if await self.step() else EVERY_S


async def ask_for_opinions(transaction: ChunkTransaction, sifted: Sifted, *, stake: float) -> None:
    """Await what is heard of the places at which a chunk's new events were orders."""
    if stake > 0:
        numbers = sifted.columns.identity.tolist()
        orders = {
            order.key: order
            for event, identity in zip(sifted.fresh, numbers, strict=True)
            if event.leaf[0] == ORDERED and event.leaf[2] and (order := _order(event, identity))
        }
        await transaction.place_past.ask([*orders.values()], stake=stake)


def _order(event: Event, identity: int) -> OrderAtPlace | None:
    """One opinion an order, whoever tells of it; none for one that says nothing of a customer's experience."""
    told = next((fact for fact in event.facts if fact.role == TELLS), None)
    if not event.q and told is None:
        return None
    name = event_key("", told.key) if told else event.key
    event_id = name.hex()
    key = UUID(bytes=event_key(SOURCE, event_id))
    return OrderAtPlace(key, event_id, identity, event.leaf[2], instant_of(event.occurred_us))


async def _written(transaction: ChunkTransaction, awaited: Sequence[Awaited]) -> list[Awaited]:
    """Write down what is heard where it is not yet; await no longer what was heard before and what is not known."""
    census = await transaction.census.last()
    unwritten = [one for one in awaited if not one.heard and one.identity and one.opinion is None]
    timely = [
        one
        for one in unwritten
        if census and of_that_hour(census_hour=census.hour, ordered_hour=hour_of(one.occurred_at))
    ]
    scopes = sorted({PLACE + one.place for one in timely})
    sums = await transaction.census.of_scopes(census, scopes=scopes, by=EVERYTHING) if census and scopes else {}
    opinions: dict[UUID, Opinion] = {}
    for one in timely:
        counted = sums.get(PLACE + one.place)
        opinion = None if counted is None else opinion_of(counted.now)
        if opinion is not None:
            opinions[one.key] = opinion
    await transaction.place_past.write(opinions)
    sent = [one._replace(opinion=one.opinion or opinions.get(one.key)) for one in awaited if not one.heard]
    sent = [one for one in sent if one.identity and one.opinion]
    kept = {one.key for one in sent}
    await transaction.place_past.remove([one.key for one in awaited if one.key not in kept])
    PLACE_OPINIONS.labels("old").inc(len(unwritten) - len(timely))
    PLACE_OPINIONS.labels("unknown").inc(len(timely) - len(opinions))
    return sent


def _record(awaited: Awaited, *, now_us: int) -> LogRecord:
    """Write the event. Its data are the same however often it is sent; the place stands among the properties.

    As the place of the event it would be counted as an experience at the place, and feed what is heard of it next.
    """
    subject, opinion = awaited.identity or "", awaited.opinion
    kind, _, value = subject.partition(":")
    received = instant_of(now_us)
    late = hour_of(received) - hour_of(awaited.occurred_at) > LATE_AFTER_HOURS
    event = {
        "specversion": "1.0",
        "id": awaited.event_id,
        "source": SOURCE,
        "type": TYPE,
        "time": write_instant(awaited.occurred_at),
        "subject": subject,
        "datacontenttype": "application/json",
        "receivedat": write_instant(received),
        "data": {
            "touchpoint": HEARD,
            "channel": "social",
            "identities": [{"kind": kind, "value": value}],
            "stake": awaited.stake,
            "properties": {
                "about": awaited.place,
                "sentiment": 0.0 if opinion is None else opinion.sentiment,
                "confidence": 0.0 if opinion is None else opinion.confidence,
            },
        },
    }
    return LogRecord(LATE if late else EVENTS, subject.encode(), _ENCODER.encode(event))
