"""What counting needs of the database: Postgres has it, and so has the memory of the tests, by one contract suite."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.topics import Partition
from services.core.tallies import Tallies
from services.state.dead_letters import DeadLetter
from services.state.events import Known, Numbers, Storable
from services.state.housekeeping import Chores
from services.state.identities import IdentityRow
from services.state.leaves import Brought, LeafRow, Triple
from services.state.links import LinkRow, Node
from services.state.models import Weighing
from services.state.persons import Locked
from services.state.progress import Outcomes, PartitionState, Position, Span
from services.state.scores import Scored
from services.state.source_notes import SourceNote

# The statements' contracts stand with their SQL, in services.state; what is promised there is promised here.
# ruff: noqa: D101


class FencePort(Protocol):
    async def fence(self, span: Span, *, epoch: int, outcomes: Outcomes) -> bool: ...
    async def recount(self, span: Span, *, duplicate: int, conflict: int) -> None: ...


class EventsPort(Protocol):
    async def add(self, events: Sequence[Storable], numbers: Numbers) -> list[Known]: ...


class MembersPort(Protocol):
    async def of_persons(self, persons: Iterable[int]) -> list[IdentityRow]: ...
    async def move(self, persons: Mapping[int, int]) -> None: ...


class LinksPort(Protocol):
    async def add(self, links: Sequence[LinkRow]) -> set[tuple[int, int, str]]: ...
    async def nodes(self, identities: Iterable[int]) -> list[Node]: ...
    async def around(self, identities: Iterable[int]) -> list[Node]: ...
    async def among(self, nodes: Sequence[Node]) -> list[LinkRow]: ...
    async def best_claims(self, identities: Iterable[int]) -> list[LinkRow]: ...
    async def claims_from(self, skipped: int, counts: Mapping[int, int]) -> list[LinkRow]: ...
    async def mark(self, crowds: Mapping[int, int]) -> None: ...


class PersonsPort(Protocol):
    async def add(self, persons: Iterable[int]) -> None: ...
    async def lock(self, persons: Iterable[int]) -> dict[int, Locked]: ...
    async def point(self, persons: Iterable[int]) -> None: ...


class TalliesPort(Protocol):
    async def add(self, identity: NDArray[np.int64], rows: NDArray[np.int64], *, fresh: NDArray[np.bool_]) -> None: ...
    async def of_persons(self, persons: Sequence[int]) -> Tallies: ...


class ScoresPort(Protocol):
    async def next_version(self) -> int: ...
    async def write(self, scored: Scored) -> None: ...


class DeadLettersPort(Protocol):
    async def add(self, partition: Partition, letters: Sequence[DeadLetter], *, origin: str) -> None: ...


class NotesPort(Protocol):
    async def add(self, note: SourceNote) -> None: ...


class ChunkTransaction(Protocol):
    """The tables as one chunk changes them."""

    @property
    def generation(self) -> str: ...
    @property
    def progress(self) -> FencePort: ...
    @property
    def events(self) -> EventsPort: ...
    @property
    def identities(self) -> MembersPort: ...
    @property
    def links(self) -> LinksPort: ...
    @property
    def persons(self) -> PersonsPort: ...
    @property
    def tallies(self) -> TalliesPort: ...
    @property
    def scores(self) -> ScoresPort: ...
    @property
    def dead_letters(self) -> DeadLettersPort: ...
    @property
    def notes(self) -> NotesPort: ...


class NamesPort(Protocol):
    async def find(self, values: Sequence[str]) -> list[IdentityRow]: ...
    async def add(self, values: Iterable[str]) -> None: ...


class LeavesPort(Protocol):
    async def find(self, leaves: Collection[Triple]) -> list[LeafRow]: ...
    async def add(self, brought: Collection[Brought]) -> None: ...
    async def numbered(self, numbers: Iterable[int]) -> list[LeafRow]: ...


class Names(Protocol):
    """The tables of names, outside of any transaction."""

    @property
    def identities(self) -> NamesPort: ...
    @property
    def leaves(self) -> LeavesPort: ...


class ModelsPort(Protocol):
    async def use(self, version: str) -> int: ...
    async def note(self, number: int, weighing: Weighing) -> None: ...


class PositionsPort(Protocol):
    async def position(self, partition: Partition) -> Position | None: ...
    async def note_lost(self, partition: Partition, *, records: int) -> None: ...
    async def states(self) -> list[PartitionState]: ...


class Store(Names, Protocol):
    """A worker's database."""

    @property
    def models(self) -> ModelsPort: ...
    @property
    def progress(self) -> PositionsPort: ...

    def transaction(self) -> AbstractAsyncContextManager[ChunkTransaction]:
        """A chunk's transaction: all of it or nothing; raises UnavailableError for what another try can mend."""

    async def take(self, partitions: Mapping[Partition, int], *, owner: str) -> dict[Partition, Position]:
        """Own partitions, given the log's first offset of each."""

    async def keep_house(self) -> Chores:
        """Do the chores; raises UnavailableError when somebody is in their way."""

    async def fold_notes(self) -> bool:
        """Add what chunks noted of their sources to what is known of them; True when there may be more of it."""

    async def close(self) -> None:
        """Let go of everything."""


class Log(Protocol):
    """What counting asks the log itself, beside the records that it is handed."""

    async def ends(self) -> Mapping[Partition, tuple[int, int]]:
        """First offset and end of every partition; raises UnavailableError."""

    async def marks(self, offsets: Mapping[Partition, int]) -> Mapping[Partition, int | None]:
        """By what the records at these offsets are known again; None where there is none. Raises UnavailableError."""
