"""A worker whose fence lets everybody pass, to show that the oracle would notice. For tests only."""

from __future__ import annotations

from services.aggregator import __main__ as worker
from services.state.progress import Outcomes, ProgressTable, Span
from tests.faults.mutants.grouped import join_group

UNFENCED = """
UPDATE partition_progress
SET next = $3, applied = applied + $4, duplicate = duplicate + $5, conflict = conflict + $6, dead = dead + $7
WHERE topic = $1 AND part = $2
"""


async def pass_everybody(self: ProgressTable, span: Span, *, epoch: int, outcomes: Outcomes) -> bool:
    """Move the position whoever owns it and wherever it stands."""
    del epoch
    await self._say.session.execute(UNFENCED, span.topic, span.part, span.next, *outcomes[:4])
    return True


if __name__ == "__main__":
    ProgressTable.fence = pass_everybody  # type: ignore[method-assign]  # that is the mutation
    join_group()
    worker.main()
