"""The alert record: what stands in cx.alerts.v1 when a score drops, and when it recovers."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

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


class PromiseName(Produced):
    """Which promise: what was promised, and of what."""

    kind: Annotated[str, Field(min_length=1, max_length=64)]
    """As the catalogue declares it."""
    about: Annotated[str, Field(min_length=1, max_length=300)]
    """order/1001, case/C-7, …"""
    part: Annotated[str, Field(max_length=300)] = ""
    """The parcel, line or refund of it; empty for the whole."""
    due_at: RecordInstant
    """When it was to be kept, or since when somebody waits."""


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
    """A hash of the rule and of what tipped the score, so that a replay raises no second one."""
    rule: Annotated[str, Field(min_length=1, max_length=64, examples=["drop", "overdue", "bad_answer"])]
    customer: Customer | None = None
    """Whose score it is; absent for an account's."""
    account: Id | None = None
    """Whose score it is: an account as events name it."""
    severity: Severity
    state: AlertState
    opened_at: RecordInstant
    changed_at: RecordInstant
    score_before: Score
    """What the score would be without the last three days, when the alert opened."""
    score: Score
    """At this step. For a drop both leave out what people say when they are asked."""
    tipped: EventName | None = None
    """The event that tipped the score; absent where a promise did."""
    promise: PromiseName | None = None
    """The promise that is overdue."""
    incident: AlertId | None = None
    """What many people live through at once, if that is known."""
    reasons: Annotated[list[AlertReason], Field(max_length=REASONS_MAX)]
    """What lowered the score first."""
    model_version: ModelVersion

    @model_validator(mode="after")
    def _somebodys(self) -> Self:
        if (self.customer is None) == (self.account is None):
            raise ValueError("an alert is a customer's or an account's")
        return self
