"""The seam between a channel and the door: what a channel says of itself, in one file of adapters/.

The door owns what is common: budgets, deadlines, masking, appending, dead letters. An adapter is pure: it reads bytes into
events and writes answers, and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from services.core.catalogue import Catalogue
from services.infra.hook_rows import Hook
from services.infra.http.answer import Answer
from services.infra.http.keys import bearer_or_user_key
from services.infra.http.problems import Refused, refusal
from services.infra.sources import Source, Sources
from services.ingest.answers import Verdict
from services.ingest.decode import Incoming
from services.ingest.head import NOTHING, Head
from services.ingest.hints import Hints
from services.ingest.judge import Arrival
from services.ingest.names import Names
from services.ingest.rejection import Rejected

UNAUTHORIZED: Final = Refused("unauthorized")


class Packing(Enum):
    """How a channel's clients say that a body is gzip."""

    DECLARED = "by Content-Encoding"
    EVIDENT = "by its first bytes, whatever the headers say"
    NEVER = "not at all"


class Keeping(Enum):
    """What is kept of a request's events."""

    ALL = "the good ones, and of the others dead letters"
    GOOD = "the good ones: the others are dead letters before they come"
    NOTHING = "none: it is only told what would become of them"


class Request(NamedTuple):
    """A request that was let in: whose it is, when it came, and its body, unpacked."""

    head: Head
    body: bytes
    source: Source
    received: Arrival
    names: Names
    """What this channel's names for touchpoints mean."""
    catalogue: Catalogue
    hook: Hook | None = None
    """By which webhooks come to the source, if they do."""


class Listed(NamedTuple):
    """The events of a request, read one after the other, so that others have their turn between two."""

    length: int
    incoming: Iterable[Incoming]
    sent: str | None = None
    """When the client says to have sent the request, RFC 3339 in UTC: what its clock is measured by."""


class Outcome(NamedTuple):
    """The events of a request, and what became of each."""

    incoming: Sequence[Incoming]
    verdicts: Sequence[Verdict]
    durable: str
    """Where the accepted ones are kept: log or spool."""
    hints: Hints


def to_come_again(outcome: Outcome) -> Answer | None:
    """Refuse the whole of a request of which something came too fast; None where nothing did.

    For channels whose clients read no verdicts: what came too fast is kept nowhere, so the whole must come again, and what
    is known by then counts once.
    """
    waits_s = [one.outcome.retry_after_s for one in outcome.verdicts if isinstance(one.outcome, Rejected)]
    return refusal(Refused("too-many-requests", retry_after_s=max(waits_s))) if any(waits_s) else None


class Page(NamedTuple):
    """Something that a channel's clients fetch."""

    path: str
    show: Callable[[Head, Sources], Answer]


class Example(NamedTuple):
    """A request of a real client, with what it gets: printed in the documentation, and sent in a test."""

    title: str
    path: str
    body: bytes
    headers: Mapping[str, str] = NOTHING
    """Beside the key of a server, in the place where this channel has it."""
    answers: int = 200
    touchpoints: tuple[str, ...] = ()
    """Of the events that are kept, in their order."""


def key_of_authorization(head: Head, sources: Sources) -> Source | Refused:
    """Tell whose request it is by `Authorization: Bearer KEY` or `Basic KEY:`."""
    key = bearer_or_user_key(head.all("authorization"))
    source = sources.source(key) if key is not None else None
    return source or UNAUTHORIZED


def anything(_: Head) -> None:
    """Expect nothing of a head."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One channel."""

    name: str
    """Also of the file beside it that says what its names mean: `<name>.yaml`, if there is one."""
    systems: tuple[str, ...] = ()
    """Whose names in the catalogue's aliases its clients use."""
    routes: tuple[str, ...]
    """Paths that take events by POST; `{name}` stands for a part that may be anything."""
    pages: tuple[Page, ...] = ()
    serves_pages: bool = False
    """Pages of other origins may send here (CORS)."""
    key_stands: str = "`Authorization: Bearer KEY` or `Basic` with the key as the user"
    """Where, in words."""
    identify: Callable[[Head, Sources], Source | Refused | None] = key_of_authorization
    """Whose request it is, by its head; None: its body tells."""
    identify_by_body: Callable[[Head, bytes, Sources, Arrival], Source | Refused] | None = None
    expects: Callable[[Head], Refused | None] = anything
    """Refuse by its head what could not be read anyway."""
    packing: Packing = Packing.DECLARED
    read: Callable[[Request], Listed | Refused]
    """Find the events; refused as a whole is what holds none."""
    reread: Callable[[Request], Listed | Refused] | None = None
    """Find the event of a dead letter, which holds what was set aside; None: as in a request."""
    spare: Collection[str] = ("data.text", "data.properties")
    """Where in a letter something may have been removed, and it still tells the same of the same person."""
    keeps: Keeping = Keeping.ALL
    answer: Callable[[Outcome], Answer]
    refuse: Callable[[Refused], Answer] = refusal
    examples: tuple[Example, ...]
