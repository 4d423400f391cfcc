"""The answers of the read API about alerts and incidents, and what people send about their work on them."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from schemas.alert import REASONS_MAX, AlertId, AlertReason, AlertStanding, EventName, Severity
from schemas.incident import WORST_MAX, Along, IncidentStanding
from schemas.score import Customer, Points, Produced, Score
from schemas.touchpoint import PRINTABLE, ClientInstant, RecordInstant
from schemas.whatifapi import Asking

ALERTS_PAGE_MAX: Final = 500
"""Alerts in a page: with three reasons each about 500 KiB of JSON."""

ALERTS_PAGE_DEFAULT: Final = 50

REASONS_SHOWN: Final = 3
"""Of an alert in a list; the alert itself shows all."""

CHANGES_MAX: Final = 200
"""Changes shown of an alert, the newest: more than anybody makes."""

SNOOZE_DAYS_MAX: Final = 90
"""Whoever does not want to hear of an alert for a quarter closes it."""

DUE_DAYS_MAX: Final = 400
"""As long as an experience counts."""

NOTE_CHARS_MAX: Final = 2000
WORK_BYTES_MAX: Final = 16 * 1024
"""The longest note, every character an escape, is 12 KiB."""

IDEMPOTENCY_KEY_PATTERN: Final = r"^[!-~]{1,128}$"
ALERT_ID_PATTERN: Final = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
WORK_TAG_PATTERN: Final = r'^(\*|"[0-9]{1,9}")$'
RULE_PATTERN: Final = r"^[a-z][a-z0-9_]{0,63}$"
NAME_PATTERN: Final = rf"^{PRINTABLE}{{1,100}}$"
NOTE_PATTERN: Final = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"
"""Any text of lines."""

STATES: Final = ("open", "closed", "withdrawn", "all")
WORKS: Final = ("new", "acknowledged", "snoozed", "done")
"""Nobody has said anything; somebody has seen it; not before a time; closed with an outcome."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Outcome = Literal["real", "false", "known"]
"""The customer was indeed let down; was not; or was, and it was known already."""

Act = Literal["acknowledged", "assigned", "due", "noted", "snoozed", "done", "reopened"]


class AlertWork(Produced):
    """What people do about an alert."""

    revision: Annotated[int, Field(ge=0)]
    """Rises with every change; 0 when there was none. In quotation marks it is the ETag."""
    assigned_to: str | None
    due_at: RecordInstant | None
    snoozed_until: RecordInstant | None
    acknowledged_at: RecordInstant | None
    acknowledged_by: str | None
    """The name of the key."""
    done_at: RecordInstant | None
    done_by: str | None
    outcome: Outcome | None


class ListedAlert(Produced):
    """An alert as a list shows it."""

    id: AlertId
    rule: str
    customer: Customer | None
    """Whose score fell, by the present name; null when it is an account's."""
    account: str | None
    severity: Severity
    state: AlertStanding
    opened_at: RecordInstant
    changed_at: RecordInstant
    closed_at: RecordInstant | None
    score_before: Score
    score: Score
    reasons: Annotated[list[AlertReason], Field(max_length=REASONS_MAX)]
    """The weightiest first; a list shows three."""
    incident: AlertId | None
    work: AlertWork


class AlertChange(Produced):
    """What somebody did about an alert."""

    at: RecordInstant
    by: str
    """The name of the key."""
    what: Act
    detail: str


class AlertAnswer(ListedAlert):
    """An alert with all that is known of it."""

    tipped: EventName | None
    """The event that tipped it; null when a promise did."""
    promise: str | None
    """Kind and key of the promise that is overdue."""
    changes: Annotated[list[AlertChange], Field(max_length=CHANGES_MAX)]
    """The newest first."""


class AlertsAnswer(Produced):
    """A page of alerts, the newest first."""

    alerts: Annotated[list[ListedAlert], Field(max_length=ALERTS_PAGE_MAX)]
    next: str | None
    """The cursor of the page behind this one; null when there is none."""


class WorstAlert(Produced):
    """An alert among those of an incident that fell furthest."""

    alert: AlertId
    customer: Customer | None
    account: str | None
    score_before: Score
    score: Score
    points: Points
    """How far the score fell."""


class IncidentSummary(Produced):
    """Many people who share a place, a touchpoint or a channel, and whose scores fell within an hour."""

    id: AlertId
    along: Along
    value: str
    state: IncidentStanding
    opened_at: RecordInstant
    changed_at: RecordInstant
    resolved_at: RecordInstant | None
    people: int
    usual: float
    """People in the same hour of a day, the median of the week before."""
    worst: Annotated[list[WorstAlert], Field(max_length=WORST_MAX)]


class IncidentsAnswer(Produced):
    """A page of incidents, the newest first."""

    incidents: Annotated[list[IncidentSummary], Field(max_length=ALERTS_PAGE_MAX)]
    next: str | None
    """The cursor of the page behind this one; null when there is none."""


class Snooze(Asking):
    """Not to be reminded of an alert before a time."""

    until: ClientInstant


class Assignment(Asking):
    """Who deals with an alert; null takes it away."""

    to: Name | None


class Due(Asking):
    """By when it is to be dealt with; null: at any time."""

    at: ClientInstant | None


class Note(Asking):
    """What somebody wants to be remembered."""

    text: Annotated[str, Field(min_length=1, max_length=NOTE_CHARS_MAX, pattern=NOTE_PATTERN)]


class Closing(Asking):
    """That an alert is dealt with, and whether it was right."""

    outcome: Outcome
    note: Annotated[str, Field(default="", max_length=NOTE_CHARS_MAX, pattern=NOTE_PATTERN)]
