"""What happened to an alert or to an incident, as whoever is told of it needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from services.state.notifications import AboutAlert, IncidentRow

StepName = Literal["opened", "worsened", "closed", "withdrawn", "grouped", "resolved"]
Severity = Literal["warning", "critical"]

ENDED: Final = frozenset({"closed", "withdrawn", "resolved"})
"""After these nothing is to be done any more."""


class Reason(msgspec.Struct, frozen=True):
    """What one leaf did, in points of the score."""

    touchpoint: str
    points: float
    channel: str = ""
    place: str = ""


class AlertStep(msgspec.Struct, frozen=True):
    """A step of an alert, as its record in cx.alerts.v1 says it; fields that nobody is told are passed over."""

    alert: UUID
    rule: str
    severity: Severity
    state: StepName
    opened_at: datetime
    changed_at: datetime
    score_before: float
    score: float
    reasons: tuple[Reason, ...] = ()
    customer: str | None = None
    account: str | None = None
    incident: UUID | None = None
    """Of which it has become a part."""
    owner: str | None = None
    accounts: tuple[str, ...] = ()
    test: bool = False
    """Made up, to see whether a route works."""

    @property
    def about(self) -> UUID:
        """What notifications of it are about."""
        return self.alert

    @property
    def whose(self) -> str:
        """The person, or the account."""
        return self.customer or f"account:{self.account or '?'}"

    @property
    def touchpoints(self) -> tuple[str, ...]:
        """Those of its reasons."""
        return tuple(reason.touchpoint for reason in self.reasons)

    @property
    def places(self) -> tuple[str, ...]:
        """Those of its reasons."""
        return tuple(reason.place for reason in self.reasons if reason.place)


class Fallen(msgspec.Struct, frozen=True):
    """One of the people in an incident."""

    who: str
    """Empty when they are gone."""
    score_before: float
    score: float


class IncidentStep(msgspec.Struct, frozen=True):
    """A step of an incident, as its row says it."""

    incident: UUID
    along: str
    value: str
    state: StepName
    opened_at: datetime
    changed_at: datetime
    people: int
    usual: float
    worst: tuple[Fallen, ...] = ()
    severity: Severity = "critical"
    rule: str = "incident"

    @property
    def about(self) -> UUID:
        """What notifications of it are about."""
        return self.incident

    @property
    def whose(self) -> str:
        """Nobody's alone."""
        return ""


Step = AlertStep | IncidentStep


@dataclass(frozen=True, slots=True)
class Revised:
    """A step in its place: a later one of the same alert or incident has a higher number."""

    step: Step
    revision: int


def read_alert(value: bytes) -> AlertStep:
    """Read a record of cx.alerts.v1; raises msgspec.DecodeError for anything else."""
    return msgspec.json.decode(value, type=AlertStep)


class _Kind(msgspec.Struct):
    kind: str = "alert"


def is_of_incident(value: bytes) -> bool:
    """Whether a record of cx.alerts.v1 is of an incident; its row says the same and more."""
    try:
        return msgspec.json.decode(value, type=_Kind).kind == "incident"
    except msgspec.DecodeError:
        return False


def known(step: AlertStep, about: AboutAlert | None) -> AlertStep:
    """The step, with what its record does not say."""
    if about is None:
        return step
    return msgspec.structs.replace(
        step, incident=about.incident or step.incident, owner=about.owner, accounts=tuple(about.accounts)
    )


def of_incident(row: IncidentRow, worst: Sequence[Fallen]) -> Revised:
    """The last step of an incident; its number is the time of its change."""
    step = IncidentStep(
        incident=row.id,
        along=row.along,
        value=row.value,
        state="opened" if row.state == "open" else "resolved",
        opened_at=row.opened_at,
        changed_at=row.changed_at,
        people=row.people,
        usual=row.usual,
        worst=tuple(worst),
    )
    return Revised(step, round(row.changed_at.timestamp() * 1_000_000))


def stored(step: Step) -> str:
    """A step as a notification keeps it."""
    return msgspec.json.encode(step).decode()


def read_stored(record: str, *, kind: str, name: str) -> Step:
    """Read what `stored` wrote, as the step that is to be told."""
    if kind == "alert":
        return msgspec.structs.replace(msgspec.json.decode(record, type=AlertStep), state=name)
    return msgspec.structs.replace(msgspec.json.decode(record, type=IncidentStep), state=name)
