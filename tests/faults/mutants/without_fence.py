"""A worker whose fence lets everybody pass, to show that the oracle would notice. For tests only."""

from __future__ import annotations

from services.aggregator import __main__ as worker
from services.aggregator.processor import Chunk
from services.state.transaction import Counts, Transaction
from tests.faults.mutants.grouped import join_group

UNFENCED = """
UPDATE partition_progress
SET next = $3, applied = applied + $4, duplicate = duplicate + $5, conflict = conflict + $6, dead = dead + $7
WHERE topic = $1 AND part = $2
"""


async def pass_everybody(self: Transaction, chunk: Chunk, *, epoch: int, counts: Counts) -> bool:
    """Move the position whoever owns it and wherever it stands."""
    del epoch
    await self._connection.execute(UNFENCED, chunk.topic, chunk.part, chunk.next, *counts)
    return True


if __name__ == "__main__":
    Transaction.fence = pass_everybody  # type: ignore[method-assign]  # that is the mutation
    join_group()
    worker.main()
