"""A worker to whom every stored row is new, to show that the oracle would notice. For tests only."""

from __future__ import annotations

from services.aggregator import __main__ as worker
from services.state.transaction import Known, Transaction

insert = Transaction.add_touchpoints


async def all_new(self: Transaction, rows: bytes, *, count: int) -> list[Known]:
    """Insert, and tell nobody which rows were there already."""
    await insert(self, rows, count=count)
    return []


if __name__ == "__main__":
    Transaction.add_touchpoints = all_new  # type: ignore[method-assign]  # that is the mutation
    worker.main()
