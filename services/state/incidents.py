"""Incidents: many people whose scores fell within an hour, and the alerts that belong to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

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


def fallen_of(worst: str) -> list[Fallen]:
    """Read the worst as they are stored."""
    told: list[dict[str, Any]] = json.loads(worst)  # of strings and numbers
    return [Fallen(UUID(one["alert"]), one["score_before"], one["score"]) for one in told]


def written(worst: Sequence[Fallen]) -> str:
    """Write the worst as they are stored."""
    return json.dumps([{**one._asdict(), "alert": str(one.alert)} for one in worst])
