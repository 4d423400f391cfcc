"""What is kept of an event beside its tally: promises stated, kept and ended, facts told by several, harms of a case."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from services.core.dimensions import Leaf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.core.catalogue import Arguments, Catalogue, Impression

STATES: Final = "states"
"""Says that something will be done: an order with its day, a case that was opened."""
KEEPS: Final = "keeps"
ENDS: Final = "ends"
"""Makes a promise void: the order was cancelled, lost or paid back."""
TELLS: Final = "tells"
"""One telling of a fact that counts once, whoever tells it."""
HARMS: Final = "harms"
"""Bad evidence of a case, which its resolution may make up for."""

ROLES: Final = (STATES, KEEPS, ENDS, TELLS, HARMS)

ONCE_ORDER: Final = "once:order"
ONCE_CASE: Final = "once:case"
RECOVERY: Final = "recovery"
"""The kinds beside those of the catalogue's promises."""

UNNUMBERED: Final = 0
"""The identity of a fact whose event was read but not yet numbered."""


class Fact(NamedTuple):
    """One fact of one event; an event has at most one of each kind and role. All integers and text."""

    identity: int
    """The number of the identity that the event was counted for."""
    kind: str
    """A promise of the catalogue (order, dispatch, …), ONCE_ORDER, ONCE_CASE or RECOVERY."""
    key: str
    """What it is about, as kind/id: order/1001, case/C-7, cart/9; or the part's own when no whole was named."""
    part: str
    """The part of it, as parcel/…, line/… or refund/…; empty when none was named."""
    role: str
    """One of ROLES."""
    source: str
    event_id: str
    occurred_us: int
    received_hour: int
    """Hours since 1970: what was known by an hour are the facts that had been received in it."""
    due_us: int | None
    """What waiting is counted from: the instant that was promised, or when the waiting began; None if nothing says."""
    v: int
    q: int
    """Micro-units: the event's own valence, and its stake whatever its tally got of it."""
    leaf: Leaf
    """The event's own leaf."""

    @property
    def hour(self) -> int:
        """The hour of the event, since 1970."""
        return self.occurred_us // 3_600_000_000

    @property
    def turn(self) -> tuple[int, str, str]:
        """Its place among facts of one key."""
        return self.occurred_us, self.source, self.event_id

    @property
    def names(self) -> tuple[str, ...]:
        """What facts about the same are found by: two facts may belong together when they share one of these."""
        return (self.key, self.part) if self.part and self.part != self.key else (self.key,)


class Teller(NamedTuple):
    """What facts need of an event besides its arguments."""

    leaf: Leaf
    order: str
    case: str
    """Both empty when the event names none."""
    source: str
    event_id: str
    received_us: int
    trust: int
    """Of the key it came by, as `persons.TRUST_OF_KEY` has it: the least neither states nor keeps."""


class Left(NamedTuple):
    """What an event leaves: the stake that its own tally gets, and its facts."""

    q: int
    facts: tuple[Fact, ...]


def facts_of(teller: Teller, arguments: Arguments, impression: Impression, *, catalogue: Catalogue) -> Left:
    """Tell what one judged event leaves; its facts bear the identity UNNUMBERED.

    Nearly every event leaves its whole stake and no fact. Never refuses: whatever is wrong with a promise's time was
    refused when the event was judged (`Catalogue.impression`).
    """
    raise NotImplementedError


class PersonFacts(NamedTuple):
    """All that is read of a person beside its tallies."""

    identities: frozenset[int]
    """The person's own: a promise belongs to the identity of its first statement."""
    facts: tuple[Fact, ...]
    """Of these identities, and of any other about what theirs have stated or kept (the same `names`); in any order."""


class Facts:
    """The facts of several owners, numbered as in the tallies beside which they are read."""

    def __init__(self, people: Mapping[int, PersonFacts]) -> None:
        self.people = people

    def leaves(self, catalogue: Catalogue) -> set[Leaf]:
        """Give every leaf that a reading of these facts may book on; receipts need them numbered in their `Leaves`."""
        raise NotImplementedError

    def known_by(self, hour: int) -> Facts:
        """Give what had been received by this hour."""
        return Facts(
            {
                owner: one._replace(facts=tuple(fact for fact in one.facts if fact.received_hour <= hour))
                for owner, one in self.people.items()
            }
        )


NO_FACTS: Final = Facts(MappingProxyType({}))
"""Nothing beside the tallies."""


def with_names(facts: Iterable[Fact]) -> frozenset[str]:
    """Give all names of facts: what other identities' facts are looked up by, and what is locked before they are written.

    Of kinds that count for a person alone (once, recovery) no other identity's facts are needed.
    """
    raise NotImplementedError


class Turns(NamedTuple):
    """When an open promise changes a score by itself; hours since 1970, both included."""

    negative: int
    """The first hour at which it counts."""
    ends: int
    """The last hour at which it still grows: from the next one on it fades like all that is past."""


def turns(one: PersonFacts, *, catalogue: Catalogue, at_hour: int) -> Sequence[Turns]:
    """Tell of every promise that is open at this hour when it turns negative and when it ends, the soonest first."""
    raise NotImplementedError
