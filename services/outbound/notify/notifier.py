"""Notifications of the outbound process: follow what happened, and send along each route by itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import httpx

from services.infra.background import Background
from services.infra.clock import Clock
from services.infra.errors import UnavailableError
from services.infra.followed_file import FollowedFile
from services.infra.logs import get_logger
from services.infra.metrics import NOTIFICATION_AGE_SECONDS, NOTIFICATIONS
from services.outbound.notify.following import follow, follow_incidents
from services.outbound.notify.message import Texts
from services.outbound.notify.routes import SINKS, Routes
from services.outbound.notify.sending import OUTCOMES, Sender, now_of
from services.outbound.notify.sinks_of_routes import new_client, sink_of
from services.state.notifications import Lease
from services.state.outbound import OutboundDatabase

EVERY_S: Final = 0.2
"""A first try within a second of the alert; a look that finds nothing costs two statements."""

INCIDENTS_EVERY_S: Final = 1.0

AGAIN_S: Final = 2.0
"""When the database is away."""

KEEP: Final = timedelta(days=90)
FORGET_EVERY_S: Final = 3600.0

log = get_logger(__name__)


class Notifier:
    """Follows alerts and incidents, and tells them along the routes of a file that may change."""

    def __init__(self, database: OutboundDatabase, routes: FollowedFile[Routes], *, texts: Texts, clock: Clock) -> None:
        self._database = database
        self._routes = routes
        self._texts = texts
        self._clock = clock
        self._holder: UUID = uuid4()
        self._client: httpx.AsyncClient | None = None
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._file: asyncio.Task[None] | None = None
        self._next_incidents = self._next_forget = 0.0
        self._incidents: dict[UUID, int] = {}
        self._incidents_of: Routes | None = None
        self._rounds = Background("notify", self.round, again_s=AGAIN_S)

    def start(self) -> None:
        """Go on in the background."""
        self._file = asyncio.create_task(self._routes.follow(), name="notify-routes")
        self._rounds.start(pause_s=0)

    def reload(self) -> None:
        """Read the routes and their secrets again; a mistake leaves those that worked."""
        self._routes.reload()

    async def stop(self) -> None:
        """Leave off; what is being sent is sent again later, with the same id."""
        await self._rounds.stop()
        tasks = [*self._sending.values(), *([self._file] if self._file else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def round(self) -> float:
        """Follow, and start sending along routes that have something to tell; how long to wait for the next."""
        routes = self._routes.current
        now = now_of(self._clock)
        more = await follow(self._database, routes, now=now)
        await self._now_and_then(routes)
        await self._start_senders(routes)
        return 0 if more else EVERY_S

    async def settle(self) -> None:
        """Wait until all that is being sent has been sent, or failed."""
        while self._sending:
            await asyncio.gather(*self._sending.values(), return_exceptions=True)
            await asyncio.sleep(0)

    async def _now_and_then(self, routes: Routes) -> None:
        now = now_of(self._clock)
        if now.timestamp() >= self._next_incidents:
            if routes is not self._incidents_of:
                self._incidents_of = routes
                self._incidents.clear()
            await follow_incidents(self._database, routes, known_revisions=self._incidents, now=now)
            await self._show(routes)
            self._next_incidents = now.timestamp() + INCIDENTS_EVERY_S
        if now.timestamp() >= self._next_forget:
            async with self._database.transaction() as transaction:
                await transaction.notifications.forget(before=now - KEEP)
            self._next_forget = now.timestamp() + FORGET_EVERY_S

    async def _show(self, routes: Routes) -> None:
        async with self._database.transaction() as transaction:
            ages = await transaction.notifications.oldest(now=now_of(self._clock))
        by_sink: dict[str, float] = dict.fromkeys(SINKS, 0.0)
        for name, age_s in ages.items():
            route = routes.by_name.get(name)
            if route is not None:
                by_sink[route.row.sink] = max(by_sink[route.row.sink], age_s)
        for sink, age_s in by_sink.items():
            NOTIFICATION_AGE_SECONDS.labels(sink).set(age_s)
            for outcome in OUTCOMES:
                # A count that begins at 1 would rise for nobody who looks at how it rises.
                NOTIFICATIONS.labels(sink, outcome)

    async def _start_senders(self, routes: Routes) -> None:
        idle = [route for route in routes.by_name.values() if route.name not in self._sending]
        leases = [Lease(route.name, route.fingerprint, self._holder) for route in idle]
        if not leases:
            return
        async with self._database.transaction() as transaction:
            due = await transaction.notifications.routes_due(leases, now=now_of(self._clock))
        for name in due:
            self._sending[name] = asyncio.create_task(self._send(routes, name), name=f"notify-{name}")

    async def _send(self, routes: Routes, name: str) -> None:
        """Send along a route of its own task, so that a sink that hangs delays no other route."""
        if self._client is None:
            self._client = new_client()
        route = routes.by_name[name]
        sender = Sender(
            route,
            sink_of(route, self._client, clock=self._clock),
            database=self._database,
            texts=self._texts,
            clock=self._clock,
            holder=self._holder,
        )
        try:
            await sender.drain()
        except UnavailableError as error:
            log.warning("notify_put_off", route=name, because=str(error))
        except Exception:
            log.exception("notify_failed", route=name)
        finally:
            with suppress(KeyError):
                del self._sending[name]
