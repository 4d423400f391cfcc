"""The seam between the stream (Faust) and the work on a chunk (pipeline and store)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

Partition = tuple[str, int]
"""Topic and partition number."""


class Record(Protocol):
    """What the pipeline reads of a consumed record; aiokafka's ConsumerRecord satisfies it."""

    @property
    def offset(self) -> int:
        """Position in the partition."""

    @property
    def timestamp(self) -> int:
        """Log-append time in milliseconds since 1970."""

    @property
    def key(self) -> bytes | None:
        """The strongest identity, or None."""

    @property
    def value(self) -> bytes | None:
        """The event, or None for a record that somebody else wrote."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Kafka headers."""


class Chunk(NamedTuple):
    """All records one poll fetched of one partition; `first` is the chain's position, not the first record's."""

    topic: str
    part: int
    first: int
    next: int
    records: Sequence[Record]


class Bounds(NamedTuple):
    """What the log holds of a partition: offsets in [earliest, end)."""

    earliest: int
    end: int


class Processor(Protocol):
    """What the stream needs of the pipeline."""

    async def take_ownership(self, bounds: Mapping[Partition, Bounds]) -> Mapping[Partition, int]:
        """Raise the epoch of each partition and tell the offset to read from.

        Raises ConfigurationError when the stored position is beyond the log's end (a re-created topic) or
        below its start and the loss was not accepted.
        """

    async def troubles(self, bounds: Mapping[Partition, Bounds]) -> Sequence[str]:
        """What an operator must decide of each of these partitions, whoever reads it; notes what each has lost."""

    async def process(self, chunk: Chunk) -> None:
        """Return after the chunk's transaction committed; raises FencedError when another worker owns it."""

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop what is cached of partitions that another worker may write to."""
