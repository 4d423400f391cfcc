"""The alert record: what stands in cx.alerts.v1 when a score drops, and when it recovers."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from schemas.score import Customer, ModelVersion, Produced, Score
from schemas.touchpoint import Channel, Id, RecordInstant, StoredSource, Touchpoint

REASONS_MAX: Final = 20
"""A person reads the first three; twenty leaves are more than three bad days hold."""

REASON_EVENTS_MAX: Final = 10
"""Enough to find the case; the journey has them all."""

AlertId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Severity = Literal["warning", "critical"]
AlertState = Literal["opened", "worsened", "closed", "withdrawn"]
"""What has just happened to it."""

AlertStanding = Literal["open", "closed", "withdrawn"]
"""How it stands."""


class EventName(Produced):
    """Which event: its source and its id."""

    source: StoredSource
    id: Id


class AlertReason(Produced):
    """What one leaf did within the last three days, in points of the score."""

    touchpoint: Touchpoint
    channel: Channel
    place: str
    """kind/value, or empty."""
    stage: str
    category: str
    points: float
    events: Annotated[list[EventName], Field(max_length=REASON_EVENTS_MAX)]


class AlertRecord(Produced):
    """One step in the life of an alert; the id stays the same from opening to closing."""

    alert: AlertId
    """A hash of the rule and of the event that tipped the score, so that a replay raises no second one."""
    rule: Annotated[str, Field(min_length=1, max_length=64)]
    customer: Customer
    severity: Severity
    state: AlertState
    opened_at: RecordInstant
    changed_at: RecordInstant
    score_before: Score
    """What the score would be without the last three days."""
    score: Score
    tipped: EventName
    """The event that tipped the score."""
    reasons: Annotated[list[AlertReason], Field(max_length=REASONS_MAX)]
    model_version: ModelVersion
