"""The alerts of a worker's database in memory, and what it puts out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from services.state.alerting import ChangedAlert, NewAlert, StandingAlert
from services.state.feeds import Letter

if TYPE_CHECKING:
    from tests.support.memory_store import MemoryStore


class AlertRow(NamedTuple):
    """A row of `alert`: as it was opened, and as it stands."""

    new: NewAlert
    now: ChangedAlert


class MemoryAlerts:
    """What `alert` holds."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def standing(self, persons: Sequence[int], *, closed_after: datetime) -> list[StandingAlert]:
        person_of = self._store.state.person_of
        rows = self._store.state.alerts.values()
        mine = [row for row in rows if row.new.person is not None and person_of[row.new.person] in set(persons)]
        return [_standing(row, person_of[row.new.person or 0]) for row in mine if _stands(row, closed_after)]

    async def standing_of_account(self, account: str, *, closed_after: datetime) -> list[StandingAlert]:
        rows = [row for row in self._store.state.alerts.values() if row.new.account == account]
        return [_standing(row, 0) for row in rows if _stands(row, closed_after)]

    async def open(self, alerts: Sequence[NewAlert]) -> set[UUID]:
        fresh = [new for new in alerts if new.id not in self._store.state.alerts]
        for new in fresh:
            now = ChangedAlert(new.id, new.severity, "open", new.score, new.remembered, new.looked, new.at, None)
            self._store.state.alerts[new.id] = AlertRow(new, now)
        return {new.id for new in fresh}

    async def change(self, alerts: Sequence[ChangedAlert]) -> None:
        for change in alerts:
            row = self._store.state.alerts[change.id]
            changed_at = change.changed_at or row.now.changed_at
            self._store.state.alerts[change.id] = row._replace(now=change._replace(changed_at=changed_at))

    async def watch(self, until: Mapping[int, int]) -> None:
        self._store.state.watched.update(until)

    async def unlooked(self, hour: int, *, limit: int) -> list[int]:
        person_of = self._store.state.person_of
        rows = [row for row in self._store.state.alerts.values() if row.now.state == "open" and row.now.looked < hour]
        return [person_of[row.new.person] for row in rows if row.new.person is not None][:limit]

    async def unlooked_accounts(self, hour: int, *, limit: int) -> list[str]:
        rows = [row for row in self._store.state.alerts.values() if row.now.state == "open" and row.now.looked < hour]
        return sorted({row.new.account for row in rows if row.new.account is not None})[:limit]

    async def pass_over(self, account: str, *, hour: int) -> None:
        for key, row in self._store.state.alerts.items():
            if row.new.account == account:
                self._store.state.alerts[key] = row._replace(now=row.now._replace(looked=hour))

    async def counts(self) -> Mapping[str, int]:
        return Counter(row.now.severity for row in self._store.state.alerts.values() if row.now.state == "open")


class MemoryFeeds:
    """What `outbox` holds."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def put(self, letters: Sequence[Letter]) -> None:
        self._store.state.letters_out.extend(letters)


def _stands(row: AlertRow, closed_after: datetime) -> bool:
    closed = row.now.closed_at
    return row.now.state == "open" or (row.now.state == "closed" and closed is not None and closed > closed_after)


def _standing(row: AlertRow, person: int) -> StandingAlert:
    new, now = row
    return StandingAlert(
        *(new.id, person, new.rule, now.severity, now.state, new.at, now.closed_at, new.score_before, now.score),
        *(new.tipped_source, new.tipped_event, new.promise, new.reasons, now.remembered, None),
    )
