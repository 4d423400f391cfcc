"""Fold the facts of promises at an hour: what is open past its time, and what was kept, each as an impression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from services.core.facts import ENDS, KEEPS, STATES, booked
from services.core.instants import HOUR_US, SECOND_US
from services.core.promise_kinds import OPEN_US, TOGETHER_US
from services.core.tallies import HOUR_BITS, HOURS_KEPT, MICRO
from services.core.valence import Const, Kept, Wait, made_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from services.core.catalogue import Catalogue, Entry
    from services.core.dimensions import Leaf
    from services.core.facts import Fact, PersonFacts
    from services.core.promise_kinds import PromiseKind


HOUR_MAX: Final = 1 << HOUR_BITS


class Felt(NamedTuple):
    """One impression that a promise makes; v and q in micro-units."""

    key: tuple[str, str, str]
    """What its sum is taken over, and its place among all sums: kind, whole and part."""
    leaf: Leaf
    hour: int
    v: int
    q: int
    weight: float
    recovers: bool
    """Whether its good part makes up for the harms of its case instead of being good by itself."""


class Turns(NamedTuple):
    """When an open promise changes a score by itself; hours since 1970, both included."""

    negative: int
    """The first hour at which it counts."""
    ends: int
    """The last hour at which it still grows: from the next one on it fades like all that is past."""


class Promise(NamedTuple):
    """One promise as it stands: what was stated, and the earliest that kept or ended it."""

    key: tuple[str, str, str]
    kind: PromiseKind
    """Of its first statement, else of what kept it: it says what is missed."""
    first: Fact
    """Whose promise it is."""
    stated: Fact | None
    """Whose stake and place it has; None when only what kept it says anything."""
    due_us: int
    answer: Fact | None
    """What kept or ended it."""
    next_us: int | None
    """When the next opening took its place."""

    @property
    def turn_us(self) -> int:
        """When it turns negative."""
        return self.due_us + self.kind.grace_us

    @property
    def end_us(self) -> int:
        """When it ends by itself."""
        return self.turn_us + OPEN_US

    @property
    def over(self) -> bool:
        """Whether anything has kept or ended it."""
        return self.answer is not None or self.next_us is not None


class Fold(NamedTuple):
    """What promises feel like at an hour."""

    felt: list[Felt]
    """In the order of sums."""
    until: int
    """The hour from which on another fold may be another; HOUR_MAX when none is in sight."""


def fold(one: PersonFacts, *, catalogue: Catalogue, at_hour: int) -> Fold:
    """Give what the person's promises feel like at an hour."""
    impressions: list[Felt] = []
    until = HOUR_MAX
    for group in _groups(one.facts, catalogue=catalogue, at_hour=at_hour):
        promises = group.promises()
        for promise in promises:
            if promise.first.identity in one.identities:
                impressions += _felt(promise, catalogue=catalogue, at_us=at_hour * HOUR_US)
                until = min(until, _moves_at(promise, at_hour))
        impressions += group.arrival(promises, identities=one.identities, catalogue=catalogue)
    return Fold(sorted(impressions), until)


def turns(one: PersonFacts, *, catalogue: Catalogue, at_hour: int) -> list[Turns]:
    """Tell of every promise of the person's that is open at this hour when it turns negative and ends, the next first."""
    found = []
    for group in _groups(one.facts, catalogue=catalogue, at_hour=at_hour):
        for promise in group.promises():
            if promise.first.identity in one.identities and not promise.over:
                found += [turn for turn in _turns(promise) if turn.ends >= at_hour]
    return sorted(found)


class Overdue(NamedTuple):
    """A promise that is open past its time."""

    key: tuple[str, str, str]
    due_us: int
    v: int
    """How waiting for it feels, in micro-units."""
    weight: float
    """Of what is missed, with the stake."""
    told: Fact
    """What stated it."""


def overdue(one: PersonFacts, *, catalogue: Catalogue, at_hour: int) -> list[Overdue]:
    """Give the person's promises that are open past their time at this hour, in the order of their keys."""
    found = []
    for promise in _own(one, catalogue=catalogue, at_hour=at_hour):
        at_us = at_hour * HOUR_US
        v = _micro(promise.kind.at(at_us - promise.due_us)) if not promise.over and at_us < promise.end_us else 0
        if v < 0 and promise.stated is not None:
            weight = catalogue.entry(promise.kind.missed).weight * promise.stated.q / MICRO
            found.append(Overdue(promise.key, promise.due_us, v, weight, promise.stated))
    return sorted(found)


def ended(one: PersonFacts, key: tuple[str, str, str], *, catalogue: Catalogue, at_hour: int) -> bool:
    """Tell whether a promise came to nothing by this hour: it was ended, or its time is up."""
    for promise in _own(one, catalogue=catalogue, at_hour=at_hour):
        if promise.key == key:
            answer = promise.answer
            return promise.end_us <= at_hour * HOUR_US if answer is None else answer.role == ENDS
    return False


def _own(one: PersonFacts, *, catalogue: Catalogue, at_hour: int) -> Iterator[Promise]:
    for group in _groups(one.facts, catalogue=catalogue, at_hour=at_hour):
        for promise in group.promises():
            if promise.first.identity in one.identities:
                yield promise


def _moves_at(promise: Promise, at_hour: int) -> int:
    """Tell the next hour at which an open promise feels otherwise."""
    for negative, ends in () if promise.over else _turns(promise):
        if at_hour < negative:
            return negative
        if at_hour <= ends:
            return at_hour + 1
    return HOUR_MAX


def _turns(promise: Promise) -> Iterator[Turns]:
    first = promise.turn_us // HOUR_US + 1
    # In its first second a delay is too small to be told in micro-units.
    for hour in (first, first + 1):
        if _micro(promise.kind.at(hour * HOUR_US - promise.due_us)) < 0:
            yield Turns(hour, (promise.end_us - 1) // HOUR_US)
            return


class _Group:
    """All that is known of one whole: an order with its parts, a case, a refund, a cart."""

    def __init__(self, kind: PromiseKind, key: str, facts: Iterable[Fact], kinds: Mapping[str, PromiseKind]) -> None:
        self._kind = kind
        self._key = key
        self._kinds = kinds
        told = sorted(facts, key=lambda fact: (fact.turn, fact.role, fact.part))
        self._statements = [fact for fact in told if fact.role == STATES]
        self._answers = [fact for fact in told if fact.role in (KEEPS, ENDS)]

    def promises(self) -> list[Promise]:
        """Give the promises in it, whoever's they are."""
        if self._kind.again:
            return [*self._openings()]
        parts = self._parts()
        found = (self._of(part, whole=not parts) for part in sorted(parts) or [""])
        return [promise for promise in found if promise is not None]

    def _parts(self) -> set[str]:
        """Tell which parts are promises of their own: then the whole is none."""
        stated = {fact.part for fact in self._statements if fact.due_us is not None}
        if stated == {""}:
            return set()
        of_keeps = {fact.part for fact in self._answers if fact.role == KEEPS and fact.due_us is not None}
        return (stated | of_keeps) - {""}

    def _of(self, part: str, *, whole: bool) -> Promise | None:
        statements = [fact for fact in self._statements if fact.part in ("", part)]
        answers = [fact for fact in self._answers if whole or fact.part in ("", part)]
        return self._promise(part, statements, [one for one in statements if one.part == part], answers)

    def _promise(
        self, part: str, about: Sequence[Fact], own: Sequence[Fact], answers: Sequence[Fact], next_us: int | None = None
    ) -> Promise | None:
        stated = [fact for fact in own if fact.due_us is not None]
        answer = answers[0] if answers else None
        due_us = _due(stated)
        if due_us is None and answer is not None and answer.role == KEEPS:
            due_us = answer.due_us
        if due_us is None:
            return None
        saying = stated[0] if stated else answer
        first = about[0] if about else saying
        assert saying is not None and first is not None  # noqa: PT018, S101 -- a due is one of theirs
        key = (self._kind.name, self._key, part)
        kind = self._kinds[saying.kind]
        return Promise(key, kind, first, stated[0] if stated else None, due_us, answer, next_us)

    def _openings(self) -> Iterator[Promise]:
        """Give each opening with what answered it before the next; an answer before all of them may speak for itself."""
        edges = [fact.occurred_us for fact in self._statements]
        before = [fact for fact in self._answers if not edges or fact.occurred_us < edges[0]]
        early = self._promise("", (), (), before)
        if early is not None:
            yield early
        for fact, start, end in zip(self._statements, edges, [*edges, None][1:], strict=True):
            inside = [
                one for one in self._answers if start <= one.occurred_us and (end is None or one.occurred_us < end)
            ]
            opening = self._promise("", (fact,), (fact,), inside, end)
            if opening is not None:
                yield opening

    def arrival(
        self, promises: Sequence[Promise], *, identities: frozenset[int], catalogue: Catalogue
    ) -> Iterator[Felt]:
        """Give what the arrival tells: how long it took since the order, and that a part did not come along."""
        answer = self._answers[0] if self._answers else None
        if answer is None or answer.role != KEEPS or answer.kind != self._kind.name:
            return
        begun = next((fact for fact in self._statements if fact.leaf.touchpoint in self._kind.begins), None)
        if begun is not None and begun.identity in identities and begun.occurred_us <= answer.occurred_us:
            yield from self._slow(begun, answer, catalogue.entries.get(self._kind.slow))
        if self._kind.part_missing in catalogue.entries:
            entry = catalogue.entries[self._kind.part_missing]
            yield from self._part_missing(answer, promises, entry, identities=identities)

    def _slow(self, begun: Fact, answer: Fact, entry: Entry | None) -> Iterator[Felt]:
        if entry is not None and isinstance(entry.valence, Wait):
            v = _micro(entry.valence.at((answer.occurred_us - begun.occurred_us) / SECOND_US))
            yield self._told(entry, answer, v=v, q=begun.q)

    def _part_missing(
        self, answer: Fact, promises: Sequence[Promise], entry: Entry, *, identities: frozenset[int]
    ) -> Iterator[Felt]:
        came = next((one for one in promises if answer.part and one.key[2] == answer.part), None)
        if came is None or not isinstance(entry.valence, Const):
            return
        expected_us = max(came.due_us, answer.occurred_us)
        for one in promises:
            if (
                one.stated is not None
                and one.first.identity in identities
                and one.stated.occurred_us <= answer.occurred_us
                and one.due_us <= expected_us
                and (one.answer is None or one.answer.occurred_us > answer.occurred_us + TOGETHER_US)
            ):
                yield self._told(entry, answer, v=_micro(entry.valence.v), q=one.stated.q)
                return

    def _told(self, entry: Entry, answer: Fact, *, v: int, q: int) -> Felt:
        leaf = booked(entry, answer)
        return Felt((entry.name, self._key, ""), leaf, answer.hour, v, q, entry.weight, recovers=False)


def _groups(facts: Iterable[Fact], *, catalogue: Catalogue, at_hour: int) -> Iterator[_Group]:
    """Bring together what is about the same, of all that exists at this hour.

    What names only a part is about that part of every whole that is known to have it; if none is, it stands alone.
    """
    kinds = catalogue.promises.kinds
    known = [fact for fact in facts if fact.kind in kinds and at_hour - HOURS_KEPT < fact.hour <= at_hour]
    wholes: dict[tuple[str, str], set[str]] = {}
    for fact in known:
        if fact.part not in ("", fact.key):
            wholes.setdefault((kinds[fact.kind].shares, fact.part), set()).add(fact.key)
    groups: dict[tuple[str, str], list[Fact]] = {}
    for fact in known:
        shares = kinds[fact.kind].shares
        if fact.part != fact.key:
            groups.setdefault((shares, fact.key), []).append(fact)
            continue
        for key in wholes.get((shares, fact.part), ()):
            groups.setdefault((shares, key), []).append(fact)
        if (shares, fact.part) not in wholes:
            groups.setdefault((shares, fact.key), []).append(fact._replace(part=""))
    for (shares, key), told in groups.items():
        yield _Group(kinds[shares], key, told, kinds)


def _due(stated: Sequence[Fact]) -> int | None:
    """Give what was promised last: sooner, or put off before it had passed."""
    due_us: int | None = None
    for fact in stated:
        if fact.due_us is not None and (due_us is None or fact.due_us < due_us or fact.occurred_us < due_us):
            due_us = fact.due_us
    return due_us


def _felt(promise: Promise, *, catalogue: Catalogue, at_us: int) -> Iterator[Felt]:
    answer = promise.answer
    if answer is not None and answer.role == KEEPS:
        yield from _kept(promise, answer, catalogue=catalogue, at_us=at_us)
        return
    over_us = promise.next_us if answer is None else answer.occurred_us
    until_us = min(promise.end_us, at_us if over_us is None else over_us)
    v = min(0.0, promise.kind.at(until_us - promise.due_us))
    v = _no_worse_than_open(promise, v, until_us, at_us=at_us)
    if _micro(v) and promise.stated is not None:
        entry = catalogue.entry(promise.kind.missed)
        leaf, recovers = booked(entry, promise.stated), promise.kind.recovers
        yield Felt(promise.key, leaf, until_us // HOUR_US, _micro(v), promise.stated.q, entry.weight, recovers)


def _kept(promise: Promise, answer: Fact, *, catalogue: Catalogue, at_us: int) -> Iterator[Felt]:
    entry = catalogue.entry(answer.leaf.touchpoint)
    kept_us = min(promise.end_us, answer.occurred_us)
    v = promise.kind.at(kept_us - promise.due_us)
    # Keeping is never felt worse than what was kept.
    v = max(v, entry.valence.at(kept_us - promise.due_us)) if isinstance(entry.valence, Kept) else v
    v = _no_worse_than_open(promise, made_up(v), kept_us, at_us=at_us)
    if not (_micro(v) or isinstance(entry.valence, Kept)):
        return
    weight = entry.weight if v >= 0 else catalogue.entry(promise.kind.missed).weight
    q = answer.q if promise.stated is None else promise.stated.q
    yield Felt(promise.key, answer.leaf, kept_us // HOUR_US, _micro(v), q, weight, promise.kind.recovers)


def _no_worse_than_open(promise: Promise, v: float, happened_us: int, *, at_us: int) -> float:
    """Read what happens later in the very hour of the reading no worse than the promise stood when the hour began."""
    if v >= 0 or happened_us <= at_us:
        return v
    return max(v, min(0.0, promise.kind.at(at_us - promise.due_us)))


def _micro(v: float) -> int:
    return round(max(-1.0, min(1.0, v)) * MICRO)
