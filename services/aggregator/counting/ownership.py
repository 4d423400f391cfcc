"""Own partitions: raise their epochs, and refuse what an operator must decide."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping

from schemas.topics import Partition
from services.aggregator.counting.patience import patiently
from services.aggregator.counting.ports import Store
from services.aggregator.processor import Bounds
from services.infra.errors import ConfigurationError

NOT_OWNED = -1
"""An epoch that no partition ever has."""


class Ownership:
    """The epochs of the partitions that this worker owns."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._epochs: dict[Partition, int] = {}

    def epoch(self, partition: Partition) -> int:
        """The epoch under which the partition was taken; one that fences us out when it was not."""
        return self._epochs.get(partition, NOT_OWNED)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Own these no longer."""
        for partition in partitions:
            self._epochs.pop(partition, None)

    async def take(self, bounds: Mapping[Partition, Bounds]) -> Mapping[Partition, int]:
        """Raise the epochs and tell where to read on; see processor.Processor for what it refuses."""
        starts = {partition: bound.earliest for partition, bound in bounds.items()}
        owner = f"{socket.gethostname()}/{os.getpid()}"
        positions = await patiently(lambda: self._store.take(starts, owner=owner))
        found = [
            await self._trouble(partition, bounds[partition], position.next)
            for partition, position in positions.items()
        ]
        if troubles := [trouble for trouble in found if trouble]:
            raise ConfigurationError("\n".join(troubles))
        self._epochs |= {partition: position.epoch for partition, position in positions.items()}
        return {partition: position.next for partition, position in positions.items()}

    async def lost(self, partition: Partition, *, records: int) -> ConfigurationError:
        """Write down what retention removed before it was counted; the error says how an operator goes on."""
        name = f"{partition[0]}/{partition[1]}"
        await patiently(lambda: self._store.progress.note_lost(partition, records=records))
        return ConfigurationError(
            f"{name}: the log's retention removed {records} records before they were counted. "
            f"Go on without them with: tactus topics accept {name}"
        )

    async def _trouble(self, partition: Partition, bounds: Bounds, position: int) -> str | None:
        """What an operator must decide before the partition can be read; None when the position lies in the log."""
        if position > bounds.end:
            name = f"{partition[0]}/{partition[1]}"
            return (
                f"{name}: the stored position {position} lies beyond the log's end {bounds.end}, so the topic was made "
                f"anew. Restore the topic, or go on from its start with: tactus topics accept {name}"
            )
        if position < bounds.earliest:
            return str(await self.lost(partition, records=bounds.earliest - position))
        return None
