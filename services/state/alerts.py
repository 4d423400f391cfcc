"""Alerts as stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.state.pool import Statements


class Alert(NamedTuple):
    """One alert of a person."""

    id: UUID
    rule: str
    severity: str
    state: str
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None
    snoozed_until: datetime | None
    score_before: float
    score: float


class AlertTable:
    """The statements of `alert`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def of_identities(self, identities: Sequence[int], *, until: datetime, limit: int) -> list[Alert]:
        """The newest alerts of these identities that were opened by then."""
        rows = await self._say.rows("alerts_of_identities", list(identities), until, limit)
        return [Alert(*row) for row in rows]
