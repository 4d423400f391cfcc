"""The seam between the stream (Faust) and the work on a chunk (counting)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from schemas.topics import Partition


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
    """All records one poll fetched of one partition; `first` is the chain's position, not the first record's.

    Offsets in [first, next) without a record hold none that counts (markers, compacted and aborted records), but for
    those that retention removed.
    """

    topic: str
    part: int
    first: int
    next: int
    records: Sequence[Record]
    lost: int = 0
    """Offsets at the beginning that lie before the log's start: retention has removed what they held."""


class Bounds(NamedTuple):
    """What the log holds of a partition: offsets in [earliest, end)."""

    earliest: int
    end: int


class Processor(Protocol):
    """What the stream needs of the pipeline."""

    async def take_ownership(self, bounds: Mapping[Partition, Bounds]) -> Mapping[Partition, int]:
        """Raise the epoch of each partition and tell the offset to read from.

        Raises ConfigurationError when the stored position is beyond the log's end or below its start and the loss was
        not accepted, or when the log does not hold the record that was counted last: then it is another log.
        """

    async def process(self, chunk: Chunk) -> None:
        """Return after the chunk's transaction committed; raises FencedError when another worker owns it."""

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop what is cached of partitions that another worker may write to."""
