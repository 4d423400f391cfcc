"""Alerts as their rules write them: opened, changed, and looked at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.state.pool import Statements

ALWAYS: Final = 2**31 - 1
"""The hour until which a person with an open alert is to be looked at."""


class StandingAlert(NamedTuple):
    """An alert that is open, or closed so lately that it still keeps others from opening."""

    id: UUID
    person: int
    """Whose it is now; 0 for an account's."""
    rule: str
    severity: str
    state: str
    opened_at: datetime
    closed_at: datetime | None
    score_before: float
    score: float
    tipped_source: str | None
    tipped_event: str | None
    promise: str | None
    reasons: str
    """JSON, as remembered is."""
    remembered: str
    incident: UUID | None


class NewAlert(NamedTuple):
    """An alert that opens."""

    id: UUID
    rule: str
    person: int | None
    account: str | None
    severity: str
    at: datetime
    score_before: float
    score: float
    tipped_source: str | None
    tipped_event: str | None
    promise: str | None
    reasons: str
    remembered: str
    looked: int
    """The hour."""


class ChangedAlert(NamedTuple):
    """How an alert stands from here on."""

    id: UUID
    severity: str
    state: str
    score: float
    remembered: str
    looked: int
    changed_at: datetime | None
    """None when nothing has happened to it that anybody is told of."""
    closed_at: datetime | None


class AlertingTable:
    """The statements of `alert` for those who write it; the persons whose alerts these are must be locked."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def standing(self, persons: Sequence[int], *, closed_after: datetime) -> list[StandingAlert]:
        """The alerts of these persons that are open, or have closed since."""
        rows = await self._say.rows("standing_alerts", list(persons), closed_after)
        return [StandingAlert(*row) for row in rows]

    async def standing_of_account(self, account: str, *, closed_after: datetime) -> list[StandingAlert]:
        """The same of an account."""
        rows = await self._say.rows("standing_account_alerts", account, closed_after)
        return [StandingAlert(*row) for row in rows]

    async def open(self, alerts: Sequence[NewAlert]) -> set[UUID]:
        """Open alerts; returns those that were not there."""
        rows = await self._say.rows("open_alerts", *map(list, zip(*alerts, strict=True)))
        return {row["id"] for row in rows}

    async def change(self, alerts: Sequence[ChangedAlert]) -> None:
        """Store how alerts stand."""
        await self._say.run("change_alerts", *map(list, zip(*alerts, strict=True)))

    async def watch(self, until: Mapping[int, int]) -> None:
        """Let persons be looked at until these hours."""
        await self._say.run("watch_persons", list(until), list(until.values()))

    async def unlooked(self, hour: int, *, limit: int) -> list[int]:
        """Persons with open alerts at which nobody has looked since before an hour."""
        return [row["person"] for row in await self._say.rows("persons_to_look_at", hour, limit)]

    async def unlooked_accounts(self, hour: int, *, limit: int) -> list[str]:
        """The same of accounts."""
        return [row["account"] for row in await self._say.rows("accounts_to_look_at", hour, limit)]

    async def pass_over(self, account: str, *, hour: int) -> None:
        """Count the alerts of an account of which nothing can be read as looked at."""
        await self._say.run("pass_over_account", account, hour)

    async def counts(self) -> Mapping[str, int]:
        """How many alerts are open, by severity."""
        return {row["severity"]: row["alerts"] for row in await self._say.rows("open_alert_counts")}
