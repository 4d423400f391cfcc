"""Alerts as people work on them: found, changed by one at a time, and every change kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from services.core.alert_work import Done, Whose, Work
from services.state.pool import Statements

WORK_COLUMNS: Final = tuple(Work.__slots__)


class AlertFilter(NamedTuple):
    """Which alerts are meant; None leaves nothing out."""

    state: str | None = None
    severity: str | None = None
    rule: str | None = None
    account: str | None = None
    assigned: str | None = None
    since: datetime | None = None
    incident: UUID | None = None
    reason: Mapping[str, str] | None = None
    """What one of its reasons holds: a place, a touchpoint, a channel."""
    work: str | None = None
    now: datetime | None = None
    """Until when an alert that is snoozed must be, to be so."""
    persons: Sequence[int] | None = None


class WorkedAlert(NamedTuple):
    """An alert with what people do about it."""

    id: UUID
    rule: str
    customer: str | None
    account: str | None
    severity: str
    state: str
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None
    score_before: float
    score: float
    tipped_source: str | None
    tipped_event: str | None
    promise: str | None
    reasons: Sequence[Mapping[str, Any]]
    """As schemas.alert.AlertReason; JSON, hence of many types."""
    incident: UUID | None
    work: Work


class AlertChange(NamedTuple):
    """What somebody did about an alert."""

    at: datetime
    by: str
    what: str
    detail: str


class KeptChange(NamedTuple):
    """A change that was made under a key."""

    by: str
    what: str
    detail: str


class AlertWorkTable:
    """The statements of `alert_work` and `alert_work_change`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def listed(self, meant: AlertFilter, *, before: tuple[datetime, UUID], limit: int) -> list[WorkedAlert]:
        """The alerts that are meant, the newest first, those opened before one."""
        told = {**meant._asdict(), "reason": None if meant.reason is None else json.dumps([meant.reason])}
        rows = await self._say.rows("listed_alerts", *before, limit, *told.values())
        return [_alert(row) for row in rows]

    async def found(self, alert: UUID) -> WorkedAlert | None:
        """One alert, or None."""
        row = await self._say.row("found_alert", alert)
        return None if row is None else _alert(row)

    async def identities(self, names: Sequence[str]) -> list[int]:
        """All identities of the person whom one of these names."""
        return [row["id"] for row in await self._say.rows("identities_beside", list(names))]

    async def changes(self, alert: UUID, *, limit: int) -> list[AlertChange]:
        """What was done about an alert, the newest first."""
        return [AlertChange(*row) for row in await self._say.rows("alert_changes", alert, limit)]

    async def lock(self, alert: UUID) -> Work | None:
        """Read the work on an alert, which nobody else changes until the end of the transaction; None: no such alert."""
        await self._say.run("begin_alert_work", alert)
        row = await self._say.row("lock_alert_work", alert)
        return None if row is None else Work(**dict(row))

    async def made_under(self, key: str, alert: UUID) -> KeptChange | None:
        """What was done about an alert under an idempotency key."""
        row = await self._say.row("change_of_key", alert, key)
        return None if row is None else KeptChange(*row)

    async def keep(self, alert: UUID, done: Done, whose: Whose, *, key: str | None) -> None:
        """Keep the work after an act, and the act."""
        await self._say.run("keep_alert_work", alert, *astuple(done.work))
        await self._say.run("note_alert_change", alert, whose.at, whose.by, done.what, done.detail, key)


def _alert(row: asyncpg.Record) -> WorkedAlert:
    told = dict(row)
    work = Work(**{name: told.pop(name) for name in WORK_COLUMNS})
    return WorkedAlert(**{**told, "reasons": json.loads(told["reasons"])}, work=work)
