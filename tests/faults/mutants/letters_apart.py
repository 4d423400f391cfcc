"""A worker that writes dead letters in a transaction of their own. A plugin of pytest."""

from __future__ import annotations

from typing import Any

from services.aggregator.counting.counter import Counted, Counter

transact = Counter._transact


async def write_apart(self: Counter, transaction: Any, span: Any, chunk: Any, batch: Any, **how: Any) -> Counted:  # noqa: ANN401 - passed on as it is
    """Commit the letters, then count."""
    letters = [one.letter for one in batch.dead]
    if letters:
        async with self._store.transaction() as own:
            await own.dead_letters.add((chunk.topic, chunk.part), letters, origin=how["origin"])
    return await transact(self, transaction, span, chunk, batch, **how)


Counter._transact = write_apart  # type: ignore[method-assign]  # that is the mutation
