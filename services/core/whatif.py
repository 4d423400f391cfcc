"""What a score would be by other numbers or another past: tallies without an event, and two receipts side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from services.core.facts import HARMS, TELLS, Facts, PersonFacts
from services.core.tallies import BEST, HOUR, LEAF, WORST, N, Tallies, fold, merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from services.core.facts import Fact
    from services.core.scoring import Receipt


class Felt(NamedTuple):
    """One event as integers: where, when, how it felt and how much was at stake, in micro-units."""

    leaf: int
    hour: int
    v: int
    q: int


class Extremes(NamedTuple):
    """The best and the worst that the other events of a leaf and hour hold, in micro-units."""

    best: int
    worst: int


class Retold(NamedTuple):
    """What an event's facts are to say instead, in micro-units; None leaves it as it is."""

    v: int | None
    q: int | None


class Difference(NamedTuple):
    """What a leaf did to a score and would do, in points, and by how many events."""

    leaf: int
    before: float
    after: float
    events_before: int
    events_after: int

    @property
    def points(self) -> float:
        """What would change."""
        return self.after - self.before


NO_EXTREMES: Final = Extremes(0, 0)


def altered(
    tallies: Tallies, *, taken: Sequence[Felt], put: Sequence[Felt], extremes: Mapping[tuple[int, int], Extremes]
) -> Tallies | None:
    """Take events out of one owner's tallies and put others in: the integers that a history without them has.

    Sums are subtracted; the extremes of a leaf and hour, which cannot be, come from its other events. None when the
    tallies do not hold what is to be taken out.
    """
    out = _folded(taken)
    out.rows[:, N:BEST] *= -1
    out.rows[:, BEST:] = 0
    touched = {(one.leaf, one.hour) for one in taken}
    rest = tallies.rows.copy()
    near = np.flatnonzero(np.isin(rest[:, LEAF], [leaf for leaf, _ in touched]))
    for place in near.tolist():
        key = int(rest[place, LEAF]), int(rest[place, HOUR])
        if key in touched:
            rest[place, BEST], rest[place, WORST] = extremes.get(key, NO_EXTREMES)
    whole = merge([Tallies(tallies.owner, rest), out, _folded(put)])
    if (whole.rows[:, N:BEST] < 0).any():
        return None
    lived = whole.rows[:, N] > 0
    return Tallies(whole.owner[lived], whole.rows[lived])


def retold(facts: Facts, events: Mapping[tuple[str, str], Retold | None]) -> Facts:
    """Give the facts as they would be with other events: by source and id, None for one that never happened."""
    if not events:
        return facts
    return Facts(
        {owner: PersonFacts(one.identities, _retold(one.facts, events)) for owner, one in facts.people.items()}
    )


def _retold(facts: Sequence[Fact], events: Mapping[tuple[str, str], Retold | None]) -> Iterator[Fact]:
    for fact in facts:
        change = events.get((fact.source, fact.event_id), Retold(None, None))
        if change is not None:
            # How keeping a promise feels follows from its time; only what was told once, and harm, has a valence.
            v = change.v if fact.role in (TELLS, HARMS) and change.v is not None else fact.v
            yield fact._replace(v=v, q=fact.q if change.q is None else change.q)


def side_by_side(before: Receipt, after: Receipt) -> list[Difference]:
    """Set two receipts of the same leaves against each other, what differs most first."""
    old, new = ({line.leaf: line for line in receipt.leaves} for receipt in (before, after))
    differences = []
    for leaf in dict.fromkeys((*old, *new)):
        was, would = old.get(leaf), new.get(leaf)
        differences.append(
            Difference(
                leaf,
                was.points if was else 0.0,
                would.points if would else 0.0,
                was.events if was else 0,
                would.events if would else 0,
            )
        )
    return sorted(differences, key=lambda one: (-abs(one.points), -abs(one.after), one.leaf))


def _folded(events: Sequence[Felt]) -> Tallies:
    columns = np.array(events, dtype=np.int64).reshape(-1, len(Felt._fields))
    leaf, hour, v, q = columns.T
    return fold(owner=np.zeros(len(columns), dtype=np.int64), leaf=leaf, hour=hour, v=v, q=q)
