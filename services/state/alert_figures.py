"""Whether alerts are right: counts of what was opened and of what people said of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.core.instants import hour_of
from services.state.pool import Statements


class RuleFigures(NamedTuple):
    """What came of the alerts of one rule."""

    rule: str
    opened: int
    critical: int
    real: int
    false: int
    known: int
    acknowledged: int
    acknowledge_s: float | None
    """From the opening to the first look, the median; None when nobody has looked."""

    @property
    def false_share(self) -> float | None:
        """The share of false ones among those that people have closed; None when there are none."""
        closed = self.real + self.false + self.known
        return self.false / closed if closed else None


class AlertFigures:
    """The statements of a report on alerts."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def by_rule(self, since: datetime) -> list[RuleFigures]:
        """What came of alerts opened since then."""
        return [RuleFigures(*row) for row in await self._say.rows("alert_figures", since)]

    async def active_persons(self, since: datetime) -> int:
        """To how many people anything happened since then; reads all sums, which takes a while."""
        return int(await self._say.value("active_persons", hour_of(since)))

    async def oldest(self) -> datetime | None:
        """When the oldest alert that is kept was opened."""
        at: datetime | None = await self._say.value("oldest_alert")
        return at

    async def before(self, persons: Sequence[int], moments: Sequence[datetime], *, days: int) -> dict[int, datetime]:
        """When the newest alert of each person before a moment was opened, by their place; those without are left out."""
        rows = await self._say.rows("alerts_before", list(persons), list(moments), days)
        return {row["place"]: row["opened_at"] for row in rows}
