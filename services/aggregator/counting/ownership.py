"""Own partitions: raise their epochs, and refuse what an operator must decide."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from typing import Final

from schemas.topics import Partition
from services.aggregator.counting.patience import patiently
from services.aggregator.counting.ports import Log, Store
from services.aggregator.processor import Bounds
from services.infra.errors import ConfigurationError
from services.state.progress import Mark

NOT_OWNED: Final = -1
"""An epoch that no partition ever has."""

Stands = Mapping[Partition, tuple[int, Mark | None]]
"""Where partitions stand, and their last record."""


class Ownership:
    """The epochs of the partitions that this worker owns."""

    def __init__(self, store: Store, log: Log) -> None:
        self._store = store
        self._log = log
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
        stands = {partition: (position.next, position.mark) for partition, position in positions.items()}
        if await self._troubles(stands, bounds):
            # An operator decides once: whatever is wrong elsewhere is named too, whoever it is assigned to.
            raise ConfigurationError("\n".join(await self._all_troubles(bounds)))
        self._epochs |= {partition: position.epoch for partition, position in positions.items()}
        return {partition: position.next for partition, position in positions.items()}

    async def lost(self, partition: Partition, *, records: int) -> ConfigurationError:
        """Write down what retention removed before it was counted; the error says how an operator goes on."""
        return ConfigurationError(await self._note_lost(partition, records=records))

    async def _all_troubles(self, assigned: Mapping[Partition, Bounds]) -> list[str]:
        states = await patiently(self._store.progress.states)
        ends = await patiently(self._log.ends)
        bounds = {partition: Bounds(*found) for partition, found in ends.items()} | dict(assigned)
        stands = {(one.topic, one.part): (one.next, one.mark) for one in states if (one.topic, one.part) in bounds}
        return await self._troubles(stands, bounds)

    async def _troubles(self, stands: Stands, bounds: Mapping[Partition, Bounds]) -> list[str]:
        """What an operator must decide before these partitions can be read; nothing when all stand inside their log."""
        inside = {
            partition: mark.offset
            for partition, (_, mark) in stands.items()
            if mark and bounds[partition].earliest <= mark.offset < bounds[partition].end
        }
        marks = await patiently(lambda: self._log.marks(inside))
        troubles = []
        for partition, (next_, mark) in sorted(stands.items()):
            if next_ > bounds[partition].end:
                troubles.append(_made_anew(partition, next_, bounds[partition].end))
            elif mark and partition in inside and marks[partition] != mark.value:
                troubles.append(_foreign(partition, mark, next_ - bounds[partition].earliest))
            elif next_ < bounds[partition].earliest:
                troubles.append(await self._note_lost(partition, records=bounds[partition].earliest - next_))
        return troubles

    async def _note_lost(self, partition: Partition, *, records: int) -> str:
        await patiently(lambda: self._store.progress.note_lost(partition, records=records))
        return (
            f"{_name(partition)}: the log's retention removed {records} records before they were counted. "
            f"Go on without them with: tactus topics accept {_name(partition)}"
        )


def _made_anew(partition: Partition, next_: int, end: int) -> str:
    return (
        f"{_name(partition)}: the stored position {next_} lies beyond the log's end {end}, so the topic was made "
        f"anew or has lost its tail. Restore it, or count what it holds with: tactus topics accept {_name(partition)}"
    )


def _foreign(partition: Partition, mark: Mark, passed: int) -> str:
    return (
        f"{_name(partition)}: the log's record {mark.offset} is not the one that was counted there, so the topic was made "
        f"anew or has lost its tail, and went on. Restore it, or count what it holds, {passed} offsets again (what was "
        f"counted before is known by its source and id), with: tactus topics accept {_name(partition)}"
    )


def _name(partition: Partition) -> str:
    return f"{partition[0]}/{partition[1]}"
