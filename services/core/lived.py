"""What people had lived before an hour each, as columns: what a fit of weights, and simple guesses, are made from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from services.core.beside import FELT_Q, FELT_V, TOLD_COLUMNS, gather
from services.core.dimensions import Leaves
from services.core.evidence import decay_table
from services.core.facts import Facts
from services.core.scoring import at_one_hour
from services.core.tallies import HOUR, HOURS_KEPT, LEAF, MICRO, NEG, NEG2, POS, POS2, WIDTH, N, Q, Tallies, merge
from services.core.valence import Kept, Late, Resolved, Scale, Wait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from services.core.beside import Impressions
    from services.core.catalogue import Catalogue
    from services.core.dimensions import Leaf
    from services.core.valence import Valence

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


class History(NamedTuple):
    """What is known of several owners, each at an hour of its own."""

    tallies: Tallies
    """Leaves by their place in `leaves`; nothing at or after the moment of which each owner is asked."""
    leaves: Sequence[Leaf]
    facts: Facts
    at_hours: Integers

    @property
    def heard(self) -> NDArray[np.bool_]:
        """Of which owners anything counts at their hour."""
        owner, rows = self.tallies
        counts = rows[:, HOUR] > self.at_hours[owner] - HOURS_KEPT
        return np.bincount(owner[counts], minlength=len(self.at_hours)) > 0

    def of(self, owners: NDArray[np.bool_]) -> History:
        """Keep some of the owners, numbered anew in their order."""
        number = np.cumsum(owners) - 1
        owner, rows = self.tallies
        kept = owners[owner]
        people = {int(number[one]): facts for one, facts in self.facts.people.items() if owners[one]}
        tallies = Tallies(number[owner[kept]], rows[kept])
        return History(tallies, self.leaves, Facts(people), self.at_hours[owners])


class Lived(NamedTuple):
    """One row for each tally that counts and each impression of a promise; sums in units, not in millionths."""

    owner: Integers
    touchpoint: Integers
    """Whose weight it takes, as its place in `names`."""
    age: Integers
    fading: Floats
    n: Floats
    q: Floats
    pos: Floats
    pos2: Floats
    neg: Floats
    neg2: Floats
    names: Sequence[str]
    owners: int

    def chosen(self, rows: NDArray[np.bool_]) -> Lived:
        """Keep some of the rows."""
        return Lived(
            owner=self.owner[rows],
            touchpoint=self.touchpoint[rows],
            age=self.age[rows],
            fading=self.fading[rows],
            n=self.n[rows],
            q=self.q[rows],
            pos=self.pos[rows],
            pos2=self.pos2[rows],
            neg=self.neg[rows],
            neg2=self.neg2[rows],
            names=self.names,
            owners=self.owners,
        )

    def of(self, owners: NDArray[np.bool_]) -> Lived:
        """Keep some of the owners, numbered anew in their order."""
        number = np.cumsum(owners) - 1
        kept = self.chosen(owners[self.owner])
        return kept._replace(owner=number[kept.owner], owners=int(owners.sum()))


def lived(history: History, *, catalogue: Catalogue) -> Lived:
    """Lay out what counts at each owner's hour.

    A telling of a fact that counts once is added to its tally, as the score adds it. What a well resolved case makes up
    for stands here as good evidence of its resolution, and the cap over several impressions of one promise is left out:
    a fit needs no more, and whatever it finds is judged by the score itself.
    """
    names = sorted({*(leaf.touchpoint for leaf in history.leaves), *catalogue.entries})
    # Each touchpoint weighs its own number here, which tells whose weight an impression of a promise takes.
    numbered = replace(
        catalogue,
        entries={name: replace(catalogue.entry(name), weight=float(place)) for place, name in enumerate(names)},
        stretches={},
    )
    leaves = Leaves.of(numbered, history.leaves)
    tallies, facts, at_hour = at_one_hour(history.tallies, facts=history.facts, at_hours=history.at_hours)
    felt = None
    if facts.people:
        leaves.learn(enumerate(sorted(facts.leaves(catalogue) - {*history.leaves}), start=len(leaves)))
        beside = gather(facts, leaves=leaves, at_hour=at_hour)
        told, felt = beside.tellings, beside.impressions
        rows = np.zeros((len(told.owner), WIDTH), dtype=np.int64)
        rows[:, LEAF], rows[:, HOUR], rows[:, TOLD_COLUMNS] = told.leaf, told.hour, told.amounts
        tallies = merge([tallies, Tallies(told.owner, rows)])
    columns = _of_tallies(tallies, leaves, at_hour)
    if felt is not None:
        columns = np.concatenate([columns, _of_promises(felt, at_hour)], axis=1)
    owner, touchpoint, age = columns[:3].astype(np.int64)
    n, q, pos, pos2, neg, neg2 = columns[3:]
    fading = decay_table(catalogue.parameters.half_life_days)[age]
    size = len(history.at_hours)
    whole = Lived(owner, touchpoint, age, fading, n, q, pos, pos2, neg, neg2, names, size)
    return whole.chosen(age < HOURS_KEPT)


def _of_tallies(tallies: Tallies, leaves: Leaves, at_hour: int) -> Floats:
    """Give by row: owner, touchpoint, age, n, q, pos, pos2, neg, neg2."""
    owner, rows = tallies
    age = np.minimum((at_hour - rows[:, HOUR]).view(np.uint64), np.uint64(HOURS_KEPT))
    sums = (rows[:, column] / MICRO for column in (Q, POS, POS2, NEG, NEG2))
    return np.stack([owner, leaves.weight[rows[:, LEAF]], age, rows[:, N], *sums])


def _of_promises(felt: Impressions, at_hour: int) -> Floats:
    v, q = felt.columns[:, FELT_V] / MICRO, felt.columns[:, FELT_Q] / MICRO
    good, bad = np.maximum(v, 0.0), np.maximum(-v, 0.0)
    age = np.minimum(at_hour - felt.hour, HOURS_KEPT)
    return np.stack(
        [felt.owner, felt.weight, age, np.ones(len(v)), q, q * good, q * good * good, q * bad, q * bad * bad]
    )


class Guess(NamedTuple):
    """A simple number by owner, lower for worse, and of how many owners there is anything to go by."""

    scores: Floats
    known: int


def guesses(whole: Lived, catalogue: Catalogue) -> dict[str, Guess]:
    """Give what a score must beat: the last answer, the last delay, the plain mean, and the count of bad tallies."""
    valences = [catalogue.entry(name).valence for name in whole.names]
    bad = whole.neg > 0
    counts = summed(whole.owner, whole.n * bad, size=whole.owners)
    felt = whole.q > 0
    return {
        "last survey": _last(whole, [isinstance(one, Scale) for one in valences]),
        "last delay": _last(whole, [_waits(one) for one in valences]),
        "plain mean": _mean(whole, felt),
        "count of bad": Guess(-counts, len(np.unique(whole.owner[bad]))),
    }


def _waits(valence: Valence) -> bool:
    return isinstance(valence, Late | Wait | Resolved | Kept)


def _last(whole: Lived, among: Sequence[bool]) -> Guess:
    rows = np.array(among, dtype=np.bool_)[whole.touchpoint] & (whole.q > 0)
    youngest = np.full(whole.owners, HOURS_KEPT)
    np.minimum.at(youngest, whole.owner[rows], whole.age[rows])
    return _mean(whole, rows & (whole.age == youngest[whole.owner]))


def _mean(whole: Lived, rows: NDArray[np.bool_]) -> Guess:
    """Give the mean valence of some rows; of whom there are none, neutral."""
    owner = whole.owner[rows]
    sums = summed(owner, (whole.pos - whole.neg)[rows], size=whole.owners)
    seen = summed(owner, whole.q[rows], size=whole.owners)
    return Guess(sums / np.where(seen > 0, seen, 1), int((seen > 0).sum()))


def summed(groups: Integers, added: Floats, *, size: int) -> Floats:
    """Sum by group, one after another."""
    sums: Floats = np.bincount(groups, weights=added, minlength=size).astype(np.float64, copy=False)
    return sums
