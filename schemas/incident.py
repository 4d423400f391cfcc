"""The incident record: what stands in cx.alerts.v1 when many people's scores fall for the same cause."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from schemas.alert import AlertId
from schemas.score import Customer, Produced, Score
from schemas.touchpoint import RecordInstant

WORST_MAX: Final = 10
"""Whom to call first; the alerts of the incident are all there."""

Along = Literal["place", "touchpoint", "channel"]
"""What these people share, the narrowest first."""

IncidentState = Literal["opened", "grown", "resolved"]
"""What has just happened to it."""

IncidentStanding = Literal["open", "resolved"]
"""How it stands."""


class IncidentWorst(Produced):
    """One of those whose scores fell furthest."""

    alert: AlertId
    customer: Customer | None
    """Null when it is an account's."""
    account: str | None
    score_before: Score
    score: Score


class IncidentRecord(Produced):
    """One step in the life of an incident; the id stays the same from opening to resolving."""

    kind: Literal["incident"] = "incident"
    """By which it is told from an alert under the same topic."""
    incident: AlertId
    along: Along
    value: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    state: IncidentState
    opened_at: RecordInstant
    changed_at: RecordInstant
    people: Annotated[int, Field(ge=1)]
    usual: Annotated[float, Field(ge=0)]
    """People in the same hour of a day, the median of the week before."""
    worst: Annotated[list[IncidentWorst], Field(max_length=WORST_MAX)]


def incident_key(along: str, value: str) -> str:
    """Return the key of an incident's records: those of one place, touchpoint or channel keep their order."""
    return f"incident/{along}/{value}"
