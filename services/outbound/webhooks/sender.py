"""Send what is due: lease deliveries, attempt them side by side, and mark what became of each."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from services.core.instants import instant_of
from services.infra.background import Background
from services.infra.clock import Clock
from services.infra.egress.gate import Gate
from services.infra.egress.posting import Way
from services.infra.logs import get_logger
from services.infra.metrics import WEBHOOK_DELIVERIES, WEBHOOK_ENDPOINTS
from services.outbound.webhooks.attempts import Attempt, attempt
from services.outbound.webhooks.schedule import FAILING_MAX, RESTS, next_try
from services.state.outbound import OutboundDatabase, OutboundTransaction
from services.state.webhook_deliveries import Health, Lease, Mark

log = get_logger(__name__)

AT_ONCE_MAX: Final = 512
"""Attempts of one process: sixty endpoints that answer slowly, each with all its room, leave some for the others."""

EACH_MAX: Final = 8
"""Attempts at one endpoint: with an answer in 50 ms, 160 messages a second."""

LEASE_S: Final = 60.0
"""Four times as long as an attempt may take: by then whoever leased it is gone, and it is sent again under its id."""

IDLE_S: Final = 0.2
BATCH_S: Final = 0.02
"""What ends within it is marked together: at most fifty transactions a second."""

AGAIN_S: Final = 1.0
STATES_EVERY: Final = timedelta(seconds=10)
BY: Final = "outbound"


class Ended(NamedTuple):
    """An attempt that was made."""

    lease: Lease
    attempt: Attempt


class Parts(NamedTuple):
    """What sending is made of."""

    database: OutboundDatabase
    gate: Gate
    way: Way
    clock: Clock
    jitter: Callable[[], float]
    """From 0 to 1."""


class Sender:
    """The task that sends; any number of processes may."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._under_way: set[asyncio.Task[Ended]] = set()
        self._ended: list[Ended] = []
        self._states_at: datetime | None = None
        self._woken = asyncio.Event()
        self._background = Background("webhook_sending", self._live, again_s=AGAIN_S)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=0.0)

    async def stop(self) -> None:
        """Leave off in the middle; what was under way is sent again under its id, by whoever comes after."""
        await self._background.stop()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def wake(self) -> None:
        """Look at once: something is due."""
        self._woken.set()

    async def _live(self) -> float:
        if not self._under_way:
            await self._something()
        await self.round()
        return BATCH_S

    async def _something(self) -> None:
        """Wait until an attempt ends or somebody wakes us; not long, because others make deliveries too."""
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait({woken, *self._under_way}, timeout=IDLE_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            self._woken.clear()

    async def round(self) -> float:
        """Mark what has ended, lease what is due, and begin with it; how long to wait for the next."""
        await self._parts.database.open()
        if self._under_way:
            await self._something()
        self._gather()
        now = self._now()
        # While the database is away they are kept, and nothing more is begun.
        ended = list(self._ended)
        async with self._parts.database.transaction() as transaction:
            gone = await self._mark(transaction, ended, now=now)
            leases = await transaction.webhooks.lease(
                limit=AT_ONCE_MAX - len(self._under_way),
                each=EACH_MAX,
                now=now,
                until=now + timedelta(seconds=LEASE_S),
            )
            await self._show_states(transaction, now=now)
        del self._ended[: len(ended)]
        self._tell(ended, gone)
        for lease in leases:
            self._under_way.add(asyncio.create_task(self._attempt(lease)))
        return BATCH_S if self._under_way else IDLE_S

    def _gather(self) -> None:
        done = {task for task in self._under_way if task.done()}
        self._under_way -= done
        self._ended += [task.result() for task in done]

    async def _attempt(self, lease: Lease) -> Ended:
        parts = self._parts
        try:
            return Ended(lease, await attempt(lease, gate=parts.gate, way=parts.way, now=self._now()))
        except Exception:
            # Of a fault of ours; the others go on, and this one is tried again as after any failure.
            log.exception("webhook_attempt_failed", endpoint=str(lease.endpoint))
            return Ended(lease, Attempt("malformed", None, "a fault of the sender", None))

    async def _mark(
        self, transaction: OutboundTransaction, ended: Sequence[Ended], *, now: datetime
    ) -> list[tuple[UUID, str]]:
        """Keep what became of attempts; which endpoints were given up by it, and why."""
        if not ended:
            return []
        await transaction.webhooks.mark([self._marked(one, now=now) for one in ended], at=now)
        healths = self._healths(ended, now=now)
        await transaction.webhooks.mark_endpoints(healths, RESTS, at=now)
        gone = {one.lease.endpoint for one in ended if one.attempt.outcome == "gone"}
        failing = {one.endpoint for one in healths if not one.healthy}
        if not failing:
            return []
        given_up = await transaction.webhooks.give_up(gone=gone, failing=failing, failing_before=now - FAILING_MAX)
        for endpoint, reason in given_up:
            await transaction.webhooks.note(endpoint, reason, by=BY, at=now)
        return given_up

    def _marked(self, ended: Ended, *, now: datetime) -> Mark:
        lease, made = ended
        if made.outcome == "delivered":
            return Mark(lease.id, lease.attempt, "delivered", now, made.outcome, made.status, made.answer)
        again = next_try(lease.attempt, now=now, jitter=self._parts.jitter(), asked_s=made.asked_s)
        state = "failed" if again is None else "waiting"
        return Mark(lease.id, lease.attempt, state, again or now, made.outcome, made.status, made.answer)

    def _healths(self, ended: Sequence[Ended], *, now: datetime) -> list[Health]:
        attempts = defaultdict(list)
        for one in ended:
            attempts[one.lease.endpoint].append(one.attempt)
        healths = []
        for endpoint, made in attempts.items():
            healthy = any(one.outcome == "delivered" for one in made)
            asked_s = max((one.asked_s or 0.0 for one in made if one.outcome != "delivered"), default=0.0)
            rest_until = now + timedelta(seconds=asked_s) if asked_s else None
            healths.append(Health(endpoint, healthy, len(made), 1 + self._parts.jitter(), rest_until))
        return healths

    async def _show_states(self, transaction: OutboundTransaction, *, now: datetime) -> None:
        if self._states_at is None or now - self._states_at >= STATES_EVERY:
            self._states_at = now
            WEBHOOK_ENDPOINTS.set(await transaction.webhooks.by_state())

    def _tell(self, ended: Sequence[Ended], given_up: Sequence[tuple[UUID, str]]) -> None:
        for one in ended:
            WEBHOOK_DELIVERIES.labels(one.attempt.outcome).inc()
        for endpoint, reason in given_up:
            log.error("webhook_disabled", endpoint=str(endpoint), reason=reason)

    def _now(self) -> datetime:
        return instant_of(self._parts.clock.now_us())
