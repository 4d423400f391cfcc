"""What the engine asks of a connector, and what a connector answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol

from services.state.crm import Task

WORDS_MAX: Final = 500
"""Of what a system says: enough for its message and its number for their support, too little for a whole page."""

Value = str | float | int | None
"""Of a field; None clears it."""


class Push(NamedTuple):
    """A record that is to hold these fields."""

    key: str
    remote: str | None
    """The system's own number; None where the key finds the record, or nobody has looked."""
    fields: Mapping[str, Value]
    delete: bool = False
    """Whether the record is to go instead."""


class Taken(NamedTuple):
    """The system has it."""

    key: str
    words: str = ""


class Absent(NamedTuple):
    """The system has no such record; none is made."""

    key: str
    words: str = "the system has no record with this key"


class Refused(NamedTuple):
    """The system will not take it, however often it is asked."""

    key: str
    words: str


class Again(NamedTuple):
    """Another try may do, of this record alone."""

    key: str
    words: str


Answer = Taken | Absent | Refused | Again


class Trouble(NamedTuple):
    """What is wrong with a whole call."""

    kind: Literal["away", "throttled", "unauthorised", "refused"]
    words: str
    after_s: float | None = None
    """When to ask again, as the system says."""


class Found(NamedTuple):
    """Which numbers the system has for keys."""

    remotes: Mapping[str, str]
    several: frozenset[str] = frozenset()
    """Keys of more than one record: writing to any of them might be writing to the wrong one."""


class Traits(NamedTuple):
    """How a system wants to be spoken to."""

    batch_max: int
    bad_row: Literal["per item", "halve", "singly"]
    """What a call that is refused as a whole is followed by, to find the row that it was for."""
    lookup: Literal["native", "search"]
    """Whether writing finds records by the key, or they are sought first and their numbers kept."""


class Connector(Protocol):
    """Speaks to one system."""

    traits: Traits

    async def push(self, pushes: Sequence[Push]) -> Sequence[Answer] | Trouble:
        """Write records; never makes one. Answers that do not come are taken for a no."""

    async def find(self, keys: Sequence[str]) -> Found | Trouble:
        """Find the system's numbers of keys; only asked where it has to be sought."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]] | Trouble:
        """Read the fields of records, by key; those that are not there are left out."""

    async def open_task(self, task: Task) -> Answer | Trouble:
        """Open a task, once an alert."""

    async def renew(self) -> Trouble | None:
        """Get a fresh right to ask, after a no or before the former one ends."""


def parts_of(pushes: Sequence[Push], *, at_most: int) -> list[Sequence[Push]]:
    """Cut a batch into what one call takes."""
    return [pushes[first : first + at_most] for first in range(0, len(pushes), at_most)]


def in_words(what: object) -> str:
    """Keep what a system says to a line of bounded length."""
    return " ".join(str(what).split())[:WORDS_MAX]
