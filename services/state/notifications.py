"""Notifications: what each route has told of an alert or an incident, what it is to tell, and who sends along it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from services.state.feeds import Position
from services.state.pool import Statements

FORGET_MAX: Final = 5000
"""Rows that one statement removes: some tenths of a second."""

State = Literal["waiting", "sent", "failed", "suppressed"]
Kind = Literal["alert", "incident"]


class Notification(NamedTuple):
    """What a route is to tell of an alert or an incident, or has told last."""

    route: str
    about: UUID
    kind: Kind
    customer: str
    severity: str
    state: State
    because: str
    step: str
    revision: int
    told: int
    unsure: bool
    record: str
    """JSON."""
    due_at: datetime
    since: datetime
    created_at: datetime


class AboutAlert(NamedTuple):
    """What the record of an alert does not say."""

    id: UUID
    incident: UUID | None
    owner: str | None
    """Whom it was given to."""
    accounts: Sequence[str]


class Recent(NamedTuple):
    """What a route has told, or is to tell, of a customer not long ago."""

    route: str
    customer: str
    about: UUID
    severity: str
    created_at: datetime


class IncidentRow(NamedTuple):
    """An incident as it stands."""

    id: UUID
    along: str
    value: str
    state: str
    opened_at: datetime
    changed_at: datetime
    resolved_at: datetime | None
    people: int
    usual: float
    worst: str
    """JSON."""


class Grouped(NamedTuple):
    """A notification whose alert became part of an incident."""

    route: str
    about: UUID
    incident: UUID


class Due(NamedTuple):
    """A notification whose time has come, taken by whoever holds its route."""

    about: UUID
    kind: Kind
    step: str
    revision: int
    record: str
    reference: Mapping[str, str]
    attempts: int
    since: datetime
    due_at: datetime
    unsure: bool
    """Whether nobody knows how an earlier try ended."""


class Lease(NamedTuple):
    """Who holds a route, as it stands in the file."""

    route: str
    fingerprint: str
    holder: UUID


class Figure(NamedTuple):
    """How many notifications of a route are in a state."""

    route: str
    state: State
    n: int
    oldest: datetime
    because: str


class NotificationTable:
    """The statements of `notification` and `notification_route`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def hold_feed(self, feed: str) -> Position | None:
        """Where a follower stands, held until the transaction ends; None while another process holds it."""
        await self._say.run("begin_following", feed)
        row = await self._say.row("hold_following", feed)
        return None if row is None else Position(*row)

    async def alerts_about(self, alerts: Sequence[UUID]) -> dict[UUID, AboutAlert]:
        """What is known of these alerts beside their records."""
        return {row["id"]: AboutAlert(*row) for row in await self._say.rows("alerts_about", list(alerts))}

    async def about(self, ids: Sequence[UUID]) -> dict[tuple[str, UUID], Notification]:
        """All notifications of these alerts and incidents, held until the transaction ends."""
        rows = await self._say.rows("notifications_about", list(ids))
        return {(row["route"], row["about"]): Notification(*row) for row in rows}

    async def recent(self, customers: Sequence[str], *, after: datetime) -> list[Recent]:
        """What was told of these customers, or is to be."""
        return [Recent(*row) for row in await self._say.rows("recent_notifications", list(customers), after)]

    async def put(self, notifications: Sequence[Notification]) -> None:
        """Write down what is to be told; of one that stands there already what it told is kept."""
        if notifications:
            rows = [(*one[:9], one.record, one.due_at, one.since, one.created_at) for one in notifications]
            await self._say.run("put_notifications", *map(list, zip(*rows, strict=True)))

    async def incidents(self, *, changed_after: datetime, limit: int) -> list[IncidentRow]:
        """Incidents that changed lately."""
        return [IncidentRow(*row) for row in await self._say.rows("changed_incidents", changed_after, limit)]

    async def grouped(self, *, created_after: datetime, limit: int) -> list[Grouped]:
        """Notifications of single alerts that have become part of an incident."""
        return [Grouped(*row) for row in await self._say.rows("notifications_in_incidents", created_after, limit)]

    async def routes_due(self, leases: Sequence[Lease], *, now: datetime) -> list[str]:
        """Those of these routes that have something to tell and may be taken."""
        if not leases:
            return []
        holder = leases[0].holder
        columns = [one.route for one in leases], [one.fingerprint for one in leases]
        return [row["route"] for row in await self._say.rows("routes_due", *columns, holder, now)]

    async def take(self, lease: Lease, *, now: datetime, until: datetime, limit: int) -> tuple[int, list[Due]] | None:
        """Hold a route and take what is due of it, with its failures in a row; None when it cannot be held now."""
        row = await self._say.row("take_route", *lease, now, until)
        if row is None:
            return None
        rows = await self._say.rows("take_notifications", lease.route, now, limit)
        return row["failures"], [
            Due(**{**row, "reference": json.loads(row["reference"])})  # the columns are the fields
            for row in rows
        ]

    async def leave(self, lease: Lease, *, now: datetime) -> None:
        """Let others have the route."""
        await self._say.run("leave_route", lease.route, lease.holder, now)

    async def mark_told(self, route: str, told: Sequence[Due], *, reference: Mapping[str, str], now: datetime) -> None:
        """They were told, and the sink knows them by this reference."""
        await self._say.run("mark_told", route, *_names(told), json.dumps(dict(reference)), now)

    async def mark_failed(self, route: str, failed: Sequence[Due], *, because: str) -> None:
        """They will never be told."""
        await self._say.run("mark_failed", route, *_names(failed), because)

    async def mark_later(
        self, route: str, put_off: Sequence[Due], *, because: str, due_at: datetime, unsure: bool
    ) -> None:
        """They are to be tried again then; `unsure` when nobody knows whether they arrived."""
        await self._say.run("mark_later", route, *_names(put_off), because, due_at, unsure)

    async def rest(self, lease: Lease, *, until: datetime, failures: int) -> None:
        """Let a route rest until then."""
        await self._say.run("rest_route", lease.route, lease.holder, until, failures, "")

    async def switch_off(self, lease: Lease, *, because: str, now: datetime) -> None:
        """Use a route no more until somebody has mended it."""
        await self._say.run("rest_route", lease.route, lease.holder, now, 0, because)

    async def allow(self, route: str) -> None:
        """Use a route again."""
        await self._say.run("allow_route", route)

    async def oldest(self, *, now: datetime) -> dict[str, float]:
        """For how many seconds the oldest notification of each route has waited past its time."""
        return {row["route"]: row["age_s"] for row in await self._say.rows("oldest_notifications", now)}

    async def figures(self, *, after: datetime) -> list[Figure]:
        """How many there were since then, by route and state, and all that wait."""
        return [Figure(*row) for row in await self._say.rows("notification_figures", after)]

    async def off(self) -> dict[str, str]:
        """The routes that are off, and why."""
        return {row["route"]: row["off_because"] for row in await self._say.rows("routes_off")}

    async def forget(self, *, before: datetime) -> int:
        """Remove old notifications, a portion of them; how many."""
        return await self._say.run("forget_notifications", before, FORGET_MAX)


def _names(notifications: Sequence[Due]) -> tuple[list[UUID], list[int]]:
    return [one.about for one in notifications], [one.revision for one in notifications]
