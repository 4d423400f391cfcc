"""How many of the newest events no customer made, as the records say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from services.state.pool import Statements

EVENTS_MAX: Final = 100_000
"""The newest events that are looked at: some tenths of a second, however many there are."""

_ALL: Final = ""


class ClassedCounts(NamedTuple):
    """Events looked at, and how many of them have which class."""

    events: int
    by_class: Mapping[str, int]

    @property
    def are_all(self) -> bool:
        """Whether there were no more to look at."""
        return self.events < EVENTS_MAX


async def classed_counts(statements: Statements, *, seconds: float) -> ClassedCounts:
    """Count the newest events of so many seconds by their class."""
    rows = await statements.rows("classed_events", seconds, EVENTS_MAX)
    counts = {row["class"]: row["events"] for row in rows}
    events = counts.pop(_ALL)
    return ClassedCounts(events, dict(sorted(counts.items())))
