"""Send along one route what is due of it: hold the route, take, send outside of any transaction, mark."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.infra.clock import Clock
from services.infra.logs import get_logger
from services.infra.metrics import NOTIFICATIONS
from services.outbound.notify.message import Message, Texts, digest_of, message_of
from services.outbound.notify.routes import Route
from services.outbound.notify.sink import Later, Off, Outcome, Refused, Sink, Told
from services.outbound.notify.steps import read_stored
from services.state.notifications import Due, Lease
from services.state.outbound import OutboundDatabase

LEASE: Final = timedelta(seconds=60)
"""Twice what the slowest sink takes; so long a route waits when its process was killed."""

DIGEST_MAX: Final = 200
"""Alerts in one mail; nobody reads more, and the rest comes in the next mail."""

BACKOFF_S: Final = (5, 30, 120, 600, 1800, 3600)
"""Between tries of one notification; the last one from then on."""

REST_S_MAX: Final = 60.0
"""So long at most a whole route rests after a failure, so that one bad notification does not hold up the others."""

GIVE_UP: Final = timedelta(days=1)
"""A day after it should have been told it is no news any more."""

OUTCOMES: Final = ("sent", "retried", "failed", "off")

log = get_logger(__name__)


class Sender:
    """Sends along one route until nothing is due; of several processes one at a time does."""

    def __init__(
        self, route: Route, sink: Sink, *, database: OutboundDatabase, texts: Texts, clock: Clock, holder: UUID
    ) -> None:
        self._route = route
        self._sink = sink
        self._database = database
        self._texts = texts
        self._clock = clock
        self._lease = Lease(route.name, route.fingerprint, holder)

    async def drain(self) -> None:
        """Send until nothing is due or the route is to rest; raises UnavailableError while the database is away."""
        while await self.send_next():  # noqa: ASYNC110 - the sink's pace, not a wait for anything
            await asyncio.sleep(self._sink.pause_s)
        async with self._database.transaction() as transaction:
            await transaction.notifications.leave(self._lease, now=self._now())

    async def send_next(self) -> bool:
        """Send one notification, or one digest; whether to go on."""
        now = self._now()
        limit = 1 if self._route.digest is None else DIGEST_MAX
        async with self._database.transaction() as transaction:
            taken = await transaction.notifications.take(self._lease, now=now, until=now + LEASE, limit=limit)
        if taken is None or not taken[1]:
            return False
        failures, due = taken
        old = [one for one in due if now - one.since > GIVE_UP]
        if old:
            await self._fail(old, because="it could not be told within a day")
            return True
        message, reference = self._message(due)
        outcome = await self._tell(message, reference)
        return await self._mark(due, outcome, failures=failures)

    def _message(self, due: Sequence[Due]) -> tuple[Message, dict[str, str]]:
        messages = [self._said(one) for one in due]
        if self._route.digest is None:
            return messages[0], dict(due[0].reference)
        day = due[0].since.astimezone(ZoneInfo(self._route.row.zone)).strftime("%Y-%m-%d")
        return digest_of(messages, route=self._route, day=day), {}

    def _said(self, one: Due) -> Message:
        step = read_stored(one.record, kind=one.kind, name=one.step)
        return message_of(step, route=self._route, revision=one.revision, texts=self._texts)

    async def _tell(self, message: Message, reference: dict[str, str]) -> Outcome:
        try:
            return await self._sink.tell(message, reference)
        except Exception:
            # A fault of a sink of ours concerns this route alone.
            log.exception("notification_sink_broke", route=self._route.name)
            return Later("the sink broke", unsure=True)

    async def _mark(self, due: Sequence[Due], outcome: Outcome, *, failures: int) -> bool:
        match outcome:
            case Told(reference):
                await self._told(due, reference)
                return True
            case Refused(because):
                await self._fail(due, because=because)
                return True
            case Later():
                await self._put_off(due, outcome, failures=failures)
                return False
            case Off(because):
                await self._switch_off(due, because)
                return False

    async def _told(self, due: Sequence[Due], reference: Mapping[str, str]) -> None:
        async with self._database.transaction() as transaction:
            await transaction.notifications.mark_told(self._route.name, due, reference=reference, now=self._now())
        self._count("sent", len(due))
        log.info("notification_sent", route=self._route.name, about=str(due[0].about), n=len(due))

    async def _fail(self, due: Sequence[Due], *, because: str) -> None:
        async with self._database.transaction() as transaction:
            await transaction.notifications.mark_failed(self._route.name, due, because=because)
        self._count("failed", len(due))
        log.error("notification_failed", route=self._route.name, about=str(due[0].about), because=because)

    async def _put_off(self, due: Sequence[Due], later: Later, *, failures: int) -> None:
        now = self._now()
        asked_s = later.after_s or 0.0
        wait_s = max(asked_s, _backoff_s(max(one.attempts for one in due)))
        rest_s = max(asked_s, min(_backoff_s(failures), REST_S_MAX))
        async with self._database.transaction() as transaction:
            await transaction.notifications.mark_later(
                self._route.name,
                due,
                because=later.because,
                due_at=now + timedelta(seconds=wait_s),
                unsure=later.unsure or any(one.unsure for one in due),
            )
            await transaction.notifications.rest(
                self._lease, until=now + timedelta(seconds=rest_s), failures=failures + 1
            )
        self._count("retried", len(due))
        log.warning("notification_put_off", route=self._route.name, because=later.because, again_in_s=round(wait_s))

    async def _switch_off(self, due: Sequence[Due], because: str) -> None:
        now = self._now()
        async with self._database.transaction() as transaction:
            # They keep their place: once the route is mended they are told, if they are not too old by then.
            unsure = any(one.unsure for one in due)
            await transaction.notifications.mark_later(
                self._route.name, due, because=because, due_at=now, unsure=unsure
            )
            await transaction.notifications.switch_off(self._lease, because=because, now=now)
        self._count("off", 1)
        fix = "mend its row or its secret, or `tactus notify test` once the sink is mended"
        log.error("notification_route_off", route=self._route.name, because=because, fix=fix)

    def _count(self, outcome: str, n: int) -> None:
        NOTIFICATIONS.labels(self._route.row.sink, outcome).inc(n)

    def _now(self) -> datetime:
        return now_of(self._clock)


def now_of(clock: Clock) -> datetime:
    """The time of day, as the database has it."""
    return datetime.fromtimestamp(clock.now_us() / 1_000_000, UTC)


def _backoff_s(attempts: int, *, spread: Callable[[], float] = random.random) -> float:
    wait = BACKOFF_S[min(attempts, len(BACKOFF_S) - 1)]
    return wait * (0.9 + 0.2 * spread())
