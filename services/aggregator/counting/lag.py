"""Whether what has happened is counted: nobody is alarmed about a parcel whose arrival already stands in the log."""

from __future__ import annotations

from typing import Final

from schemas.topics import EVENTS
from services.aggregator.counting.ports import Log, Store
from services.infra.errors import UnavailableError

WAITING_MAX: Final = 1000
"""Records of one partition that are always on their way: a worker counts them within a second."""


class Lag:
    """How far counting is behind the log, on all workers."""

    def __init__(self, store: Store, log_: Log) -> None:
        self._store = store
        self._log = log_

    async def is_small(self) -> bool:
        """Tell whether no partition of events has more records waiting than are always on their way."""
        try:
            ends = await self._log.ends()
        except UnavailableError:
            return False
        counted = {(one.topic, one.part): one.next for one in await self._store.progress.states()}
        return all(
            end - counted.get(partition, start) <= WAITING_MAX
            for partition, (start, end) in ends.items()
            if partition[0] == EVENTS
        )
