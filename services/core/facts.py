"""What is kept of an event beside its tally: promises stated, kept and ended, facts told by several, harms of a case."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from services.core.dimensions import Leaf
from services.core.instants import HOUR_US, SECOND_US
from services.core.persons import LEAST_TRUST
from services.core.promise_kinds import CASE, LINE, NOT_TOUCHED, ORDER
from services.core.tallies import MICRO
from services.core.valence import Kept, due_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.core.catalogue import Arguments, Catalogue, Entry, Impression
    from services.core.promise_kinds import PromiseKind, Touched

STATES: Final = "states"
"""Says that something will be done: an order with its day, a case that was opened."""
KEEPS: Final = "keeps"
ENDS: Final = "ends"
"""Makes a promise void: the order was cancelled, lost or paid back."""
TELLS: Final = "tells"
"""One telling of a fact that counts once, whoever tells it."""
HARMS: Final = "harms"
"""Bad evidence of a case, which its resolution may make up for; what is told once of the case is so without this."""

ROLES: Final = (STATES, KEEPS, ENDS, TELLS, HARMS)

SHARED_ROLES: Final = frozenset((STATES, KEEPS, ENDS))
"""Those of a promise, which is kept and ended by anybody's facts."""

ONCE_ORDER: Final = "once:order"
ONCE_CASE: Final = "once:case"
RECOVERY: Final = "recovery"
"""The kinds beside those of the catalogue's promises."""

ANY_CHANNEL: Final = "any"
"""The channel of a touchpoint that may be met anywhere."""

ID_CHARS_MAX: Final = 128
"""As long as an order's or a case's id may be; longer text names nothing."""

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
        return self.occurred_us // HOUR_US

    @property
    def turn(self) -> tuple[int, str, str]:
        """Its place among facts of one key."""
        return self.occurred_us, self.source, self.event_id

    @property
    def names(self) -> tuple[str, ...]:
        """What facts about the same are found by: two facts may belong together when they share one of these."""
        return (self.key, self.part) if self.part and self.part != self.key else (self.key,)

    @property
    def shared_names(self) -> tuple[str, ...]:
        """The names by which facts of other identities belong to it, and which are locked before it is written.

        What counts once, and what harms a case, is a person's own: no other person's facts are looked up for it.
        """
        return self.names if self.role in SHARED_ROLES else ()


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
    touchpoint = teller.leaf.touchpoint
    if not (teller.case or touchpoint in catalogue.leaves_facts) or catalogue.unscored(arguments):
        return Left(impression.q, ())
    touched = catalogue.promises.touched.get(touchpoint, NOT_TOUCHED)
    if any(_about(kind, teller, arguments) for kind in touched.missed):
        # What the promise itself tells counts; a source that says it as well adds nothing.
        return Left(0, ())
    promised = _promised(touched, teller, arguments, catalogue) if teller.trust < LEAST_TRUST else []
    entry = catalogue.entry(touchpoint)
    if isinstance(entry.valence, Kept) and any(fact.role == KEEPS for fact in promised):
        return Left(0, tuple(promised))
    named = {ORDER: teller.order, CASE: teller.case}.get(entry.once)
    if named and impression.q:
        told = _fact(teller, arguments, f"once:{entry.once}", TELLS, (f"{entry.once}/{named}", ""))
        promised.append(told._replace(v=impression.v, q=impression.q))
    if teller.case and impression.v < 0 and impression.q and not (named and entry.once == CASE):
        harm = _fact(teller, arguments, RECOVERY, HARMS, (f"{CASE}/{teller.case}", ""))
        promised.append(harm._replace(v=impression.v, q=impression.q))
    return Left(0 if named else impression.q, tuple(promised))


def _promised(touched: Touched, teller: Teller, arguments: Arguments, catalogue: Catalogue) -> list[Fact]:
    """Give the facts of promises; of kinds that share a promise an event has one for each role."""
    valence = catalogue.entry(teller.leaf.touchpoint).valence
    kept_due_us = valence.due_us(arguments) if isinstance(valence, Kept) else None
    found: dict[tuple[str, str], Fact] = {}
    for kind in sorted(touched.states, key=lambda kind: _due_of(kind, arguments) is None):
        due_us, about = _due_of(kind, arguments), _about(kind, teller, arguments)
        if about and (due_us is not None or teller.leaf.touchpoint in kind.begins):
            found.setdefault((kind.shares, STATES), _fact(teller, arguments, kind.name, STATES, about, due_us))
    for kind in touched.keeps:
        if about := _about(kind, teller, arguments):
            found.setdefault((kind.shares, KEEPS), _fact(teller, arguments, kind.name, KEEPS, about, kept_due_us))
    for kind in touched.ends:
        if about := _about(kind, teller, arguments):
            found.setdefault((kind.shares, ENDS), _fact(teller, arguments, kind.name, ENDS, about))
    return [*found.values()]


def _due_of(kind: PromiseKind, arguments: Arguments) -> int | None:
    """Give what waiting for a promise is counted from, if the event states one."""
    if not kind.due or (kind.within_s and arguments.properties.get(kind.due) is None):
        return arguments.occurred_at_us + round(kind.within_s * SECOND_US)
    due_us = due_of(arguments, kind.due) if arguments.properties.get(kind.due) is not None else None
    return due_us if isinstance(due_us, int) else None


def _about(kind: PromiseKind, teller: Teller, arguments: Arguments) -> tuple[str, str] | None:
    """Give the key and the part that an event is about; None when it names nothing that this kind is about."""
    named = {ORDER: teller.order, CASE: teller.case}.get(kind.key) or _id(arguments, kind.key)
    whole = f"{kind.key}/{named}" if named else ""
    for name in kind.parts:
        part = _id(arguments, name)
        if part and (whole or name != LINE):
            return whole or f"{name}/{part}", f"{name}/{part}"
    return (whole, "") if whole else None


def _id(arguments: Arguments, name: str) -> str:
    """Read a property as an id; what is none names nothing."""
    value = arguments.properties.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and len(value) <= ID_CHARS_MAX else ""


def _fact(
    teller: Teller, arguments: Arguments, kind: str, role: str, about: tuple[str, str], due_us: int | None = None
) -> Fact:
    key, part = about
    return Fact(
        identity=UNNUMBERED,
        kind=kind,
        key=key,
        part=part,
        role=role,
        source=teller.source,
        event_id=teller.event_id,
        occurred_us=arguments.occurred_at_us,
        received_hour=teller.received_us // HOUR_US,
        due_us=due_us,
        v=0,
        q=round((1.0 if arguments.stake is None else arguments.stake) * MICRO),
        leaf=teller.leaf,
    )


class PersonFacts:
    """All that is read of a person beside the tallies. Made anew when a fact comes or an identity goes."""

    __slots__ = ("facts", "folded", "identities")

    def __init__(self, identities: Iterable[int], facts: Iterable[Fact]) -> None:
        """Take the numbers of the person's own identities, and the facts in any order.

        These are the facts of the identities, and those of any others that share a name with them or with one another (`Fact.shared_names`).
        """
        self.identities = frozenset(identities)
        self.facts = tuple(facts)
        self.folded: object = None
        """What the last reading made of them, for the next one (`beside.folded`)."""

    def moved(self, hours: int) -> PersonFacts:
        """Give the same facts so many hours later."""
        return PersonFacts(self.identities, [_moved(fact, hours) for fact in self.facts])


class Facts:
    """The facts of several owners, numbered as in the tallies beside which they are read."""

    __slots__ = ("people",)

    def __init__(self, people: Mapping[int, PersonFacts]) -> None:
        """Take those who have facts; others may be left out."""
        self.people = people

    def known_by(self, hour: int) -> Facts:
        """Give what had been received by this hour."""
        return Facts(
            {
                owner: PersonFacts(one.identities, [fact for fact in one.facts if fact.received_hour <= hour])
                for owner, one in self.people.items()
            }
        )

    def moved(self, hours: Sequence[int]) -> Facts:
        """Give the same facts later by so many hours of each owner: with the hour of a reading they read the same."""
        return Facts({owner: one.moved(hours[owner]) for owner, one in self.people.items()})

    def leaves(self, catalogue: Catalogue) -> set[Leaf]:
        """Give every leaf that a reading of these facts may book on: dimensions and receipts need them numbered."""
        kinds, entries = catalogue.promises.kinds, catalogue.entries
        found = set()
        for fact in (fact for one in self.people.values() for fact in one.facts):
            found.add(fact.leaf)
            kind = kinds.get(fact.kind)
            if kind is not None:
                names = {kind.missed} if fact.role == STATES else {kind.slow, kind.part_missing}
                found |= {booked(entries[name], fact) for name in names & entries.keys()}
        return found


def _moved(fact: Fact, hours: int) -> Fact:
    return fact._replace(
        occurred_us=fact.occurred_us + hours * HOUR_US,
        received_hour=fact.received_hour + hours,
        due_us=None if fact.due_us is None else fact.due_us + hours * HOUR_US,
    )


NO_FACTS: Final = Facts(MappingProxyType({}))
"""Nothing beside the tallies."""


def booked(entry: Entry, fact: Fact) -> Leaf:
    """Give the leaf of a touchpoint that was read from a fact: where that was."""
    return Leaf(entry.name, fact.leaf.channel if entry.channel == ANY_CHANNEL else entry.channel, fact.leaf.place)
