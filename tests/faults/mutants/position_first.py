"""A worker that moves its position in a transaction of its own before it counts. A plugin of pytest."""

from __future__ import annotations

from typing import Any

from services.aggregator.counting.counter import Counted, Counter
from services.state.progress import Outcomes, ProgressTable

transact = Counter._transact
fence = ProgressTable.fence


async def passed(*_: object, **__: object) -> bool:
    return True


async def move_first(self: Counter, transaction: Any, span: Any, chunk: Any, batch: Any, **how: Any) -> Counted:  # noqa: ANN401 - passed on as it is
    """Commit the position, then count."""
    outcomes = Outcomes(applied=len(batch.events), duplicate=len(batch.twins), dead=len(batch.dead))
    async with self._store.transaction() as own:
        if not await fence(own.progress, span, epoch=how["epoch"], outcomes=outcomes):  # type: ignore[arg-type]  # Postgres'
            return await transact(self, transaction, span, chunk, batch, **how)
    transaction.progress.fence = passed
    return await transact(self, transaction, span, chunk, batch, **how)


Counter._transact = move_first  # type: ignore[method-assign]  # that is the mutation
