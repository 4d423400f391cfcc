"""What people do about an alert: each act on the work so far gives the work after it, or changes nothing. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

from services.core.instants import write_instant

Outcome = Literal["real", "false", "known"]

What = Literal["acknowledged", "assigned", "due", "noted", "snoozed", "done", "reopened"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What was done about an alert so far."""

    revision: int = 0
    assigned_to: str | None = None
    due_at: datetime | None = None
    snoozed_until: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    done_at: datetime | None = None
    done_by: str | None = None
    outcome: Outcome | None = None


class Whose(NamedTuple):
    """Who does something, and when."""

    by: str
    at: datetime


class Done(NamedTuple):
    """The work after an act, and what is kept of the act itself."""

    work: Work
    what: What
    detail: str


def acknowledge(work: Work, whose: Whose) -> Done | None:
    """Say that somebody has seen it; the first one counts."""
    if work.acknowledged_at is not None:
        return None
    return Done(_next(replace(work, acknowledged_at=whose.at, acknowledged_by=whose.by)), "acknowledged", "")


def assign(work: Work, to: str | None) -> Done | None:
    """Let somebody deal with it, or nobody."""
    if work.assigned_to == to:
        return None
    return Done(_next(replace(work, assigned_to=to)), "assigned", to or "")


def set_due(work: Work, at: datetime | None) -> Done | None:
    """Say by when it is to be dealt with."""
    if work.due_at == at:
        return None
    return Done(_next(replace(work, due_at=at)), "due", _written(at))


def snooze(work: Work, until: datetime) -> Done | None:
    """Ask not to be reminded of it before a time."""
    if work.snoozed_until == until:
        return None
    return Done(_next(replace(work, snoozed_until=until)), "snoozed", _written(until))


def note(work: Work, text: str) -> Done:
    """Remember a text; the same one twice is two."""
    return Done(_next(work), "noted", text)


def close(work: Work, whose: Whose, *, outcome: Outcome, text: str) -> Done | None:
    """Say what came of it; whoever does has seen it. Another outcome takes the place of the one before."""
    if work.outcome == outcome:
        return None
    seen = replace(
        work,
        acknowledged_at=work.acknowledged_at or whose.at,
        acknowledged_by=work.acknowledged_by or whose.by,
        snoozed_until=None,
    )
    done = replace(seen, done_at=whose.at, done_by=whose.by, outcome=outcome)
    return Done(_next(done), "done", f"{outcome}: {text}" if text else outcome)


def reopen(work: Work) -> Done | None:
    """Take back that it was dealt with."""
    if work.outcome is None:
        return None
    return Done(_next(replace(work, done_at=None, done_by=None, outcome=None)), "reopened", "")


def _next(work: Work) -> Work:
    return replace(work, revision=work.revision + 1)


def _written(at: datetime | None) -> str:
    return "" if at is None else write_instant(at)
