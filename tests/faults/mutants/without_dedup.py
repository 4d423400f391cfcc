"""A worker to whom every stored row is new, to show that the oracle would notice. For tests only."""

from __future__ import annotations

from collections.abc import Sequence

from services.aggregator import __main__ as worker
from services.state.events import EventTable, Known, Numbers, Storable

insert = EventTable.add


async def all_new(self: EventTable, events: Sequence[Storable], numbers: Numbers) -> list[Known]:
    """Insert, and tell nobody which rows were there already."""
    await insert(self, events, numbers)
    return []


if __name__ == "__main__":
    EventTable.add = all_new  # type: ignore[method-assign]  # that is the mutation
    worker.main()
