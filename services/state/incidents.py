"""Incidents: many people whose scores fell within an hour, and the alerts that belong to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from services.core.incidents import USUAL_DAYS, Cause, Leaf, LoneAlert, Storm, causes_of
from services.state.pool import Statements


class Fallen(NamedTuple):
    """An alert of an incident, as it is kept among the worst: never by a name, which erasing could not reach."""

    alert: UUID
    score_before: float
    score: float


class Incident(NamedTuple):
    """An incident as stored."""

    id: UUID
    along: str
    value: str
    state: str
    opened_at: datetime
    changed_at: datetime
    resolved_at: datetime | None
    people: int
    usual: float
    worst: Sequence[Fallen]


class AlertName(NamedTuple):
    """Whom an alert is about, by the present name; both None when the person is gone."""

    customer: str | None
    account: str | None


class OpenIncident(NamedTuple):
    """An incident that is not over, and what became of its alerts."""

    id: UUID
    along: str
    value: str
    opened_at: datetime
    people_before: int
    """As it is kept."""
    usual: float
    told_people: int
    told_at: datetime
    people: int
    """As it is by now."""
    alerts: int
    recovered: int
    joined_at: datetime | None
    """When the newest of its alerts was opened."""


class Kept(NamedTuple):
    """What is to be kept of an incident."""

    state: str
    changed_at: datetime
    people: int
    worst: Sequence[Fallen]
    told_people: int
    told_at: datetime


class IncidentTable:
    """The statements of `incident`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def listed(self, state: str | None, *, before: tuple[datetime, UUID], limit: int) -> list[Incident]:
        """Incidents, the newest first, those opened before one."""
        rows = await self._say.rows("listed_incidents", *before, limit, state)
        return [Incident(**{**row, "worst": fallen_of(row["worst"])}) for row in rows]

    async def names(self, alerts: Sequence[UUID]) -> dict[UUID, AlertName]:
        """Whom alerts are about."""
        rows = await self._say.rows("names_of_alerts", list(alerts))
        return {row["id"]: AlertName(row["customer"], row["account"]) for row in rows}

    async def lead(self) -> bool:
        """Be the one who looks for incidents until the end of the transaction, unless somebody else is."""
        await self._say.run("know_incidents")
        return bool(await self._say.value("lead_incidents"))

    async def lone(self, since: datetime, *, limit: int) -> list[LoneAlert]:
        """Alerts of people that belong to no incident, the oldest first."""
        rows = await self._say.rows("lone_alerts", since, limit)
        return [LoneAlert(**{**row, "causes": _causes(row["causes"])}) for row in rows]

    async def usual(self, cause: Cause, ends_at: datetime) -> list[int]:
        """How many people fell for this cause in the same hour of each day of the week before."""
        ends = [ends_at - timedelta(days=days) for days in range(1, USUAL_DAYS + 1)]
        shared = json.dumps([{cause.along: cause.value}])
        return [row["people"] for row in await self._say.rows("people_of_hours", ends, shared)]

    async def open(self, storm: Storm) -> None:
        """Open an incident; its alerts are put into it apart."""
        await self._say.run("open_incident", storm.id, *storm.cause, storm.ends_at, storm.usual)

    async def put(self, alerts: Mapping[UUID, UUID]) -> None:
        """Let alerts belong to incidents."""
        await self._say.run("put_into_incidents", list(alerts), list(alerts.values()))

    async def unresolved(self, *, limit: int) -> list[OpenIncident]:
        """The incidents that are not over, the oldest first."""
        return [OpenIncident(*row) for row in await self._say.rows("open_incidents", limit)]

    async def worst(self, incident: UUID, *, limit: int) -> list[Fallen]:
        """Those of an incident's alerts that fell furthest."""
        return [Fallen(*row) for row in await self._say.rows("worst_of_incident", incident, limit)]

    async def keep(self, incident: UUID, kept: Kept) -> None:
        """Keep how an incident stands."""
        told = {**kept._asdict(), "worst": written(kept.worst)}
        await self._say.run("keep_incident", incident, *told.values())

    async def count_open(self) -> dict[str, int]:
        """How many are not over, by what their people share."""
        return {row["along"]: row["incidents"] for row in await self._say.rows("count_open_incidents")}


def _causes(reasons: str) -> frozenset[Cause]:
    told: list[dict[str, Any]] = json.loads(reasons)  # as schemas.alert.AlertReason
    return causes_of(Leaf(one["touchpoint"], one["channel"], one["place"], one["points"]) for one in told)


def fallen_of(worst: str) -> list[Fallen]:
    """Read the worst as they are stored."""
    told: list[dict[str, Any]] = json.loads(worst)  # of strings and numbers
    return [Fallen(UUID(one["alert"]), one["score_before"], one["score"]) for one in told]


def written(worst: Sequence[Fallen]) -> str:
    """Write the worst as they are stored."""
    return json.dumps([{**one._asdict(), "alert": str(one.alert)} for one in worst])
