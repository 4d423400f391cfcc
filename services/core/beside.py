"""What is read beside the tallies, as columns: impressions of promises, facts told once, and harms of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from services.core import promises
from services.core.facts import HARMS, ONCE_CASE
from services.core.once import Telling, tellings
from services.core.tallies import HOURS_KEPT, MICRO, NEG, NEG2, POS, POS2, Q

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from services.core.catalogue import Catalogue, Parameters
    from services.core.dimensions import Leaves
    from services.core.facts import Fact, Facts, PersonFacts
    from services.core.promises import Felt

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

TOLD_COLUMNS: Final = (Q, POS, NEG, POS2, NEG2)
"""What a telling adds to the row of its leaf and hour, as its event would have."""

FELT_HOUR: Final = 0
FELT_V: Final = 1
FELT_Q: Final = 2
FELT_KEY: Final = 3
FELT_RECOVERS: Final = 4
FELT_WIDTH: Final = 5

NO_COLUMNS: Final = np.empty((0, FELT_WIDTH), dtype=np.int64)
NO_WEIGHTS: Final = np.empty(0, dtype=np.float64)


class Folded(NamedTuple):
    """A person's facts, folded at an hour; the same at every hour before `until`."""

    catalogue: Catalogue
    at_hour: int
    until: int
    turns_at: int
    """The hour from which on promises feel otherwise without any other fact; HOUR_MAX when none is open."""
    felt: Sequence[Felt]
    columns: Integers
    weights: Floats
    keys: int
    """How many different ones the impressions have."""
    tellings: Sequence[Telling]
    told: Sequence[tuple[int, ...]]
    """Of each telling that counts, the hour and what it adds."""
    harms: Sequence[tuple[int, Fact]]
    """Of a case that was resolved well: the number of its key, and the fact."""


class Impressions(NamedTuple):
    """Impressions of promises of all owners, in the order of sums; keys are numbered in that order."""

    owner: Integers
    columns: Integers
    weight: Floats
    felt: Sequence[Felt]

    @property
    def hour(self) -> Integers:
        """When each was felt."""
        return self.columns[:, FELT_HOUR]


class Told(NamedTuple):
    """What facts add to rows, by owner, leaf and hour: tellings that count, or harms, whose key says of which case."""

    owner: Integers
    key: Integers
    leaf: Integers
    hour: Integers
    amounts: Integers
    """In the order of TOLD_COLUMNS."""


class Beside(NamedTuple):
    """All that is read beside the tallies of all owners."""

    impressions: Impressions
    tellings: Told
    harms: Told
    chosen: Sequence[Telling]
    """Of all owners, with those that told the same again."""


class Terms(NamedTuple):
    """What each impression adds to the weighted sums, after its key's cap; `recovered` is good that takes bad away."""

    good: Floats
    bad: Floats
    seen: Floats
    recovered: Floats


def folded(one: PersonFacts, *, catalogue: Catalogue, at_hour: int) -> Folded:
    """Fold a person's facts at an hour, or take what the last reading folded if that is still so."""
    last = one.folded
    if isinstance(last, Folded) and last.catalogue is catalogue and last.at_hour <= at_hour < last.until:
        return last
    folding = _fold(one, catalogue=catalogue, at_hour=at_hour)
    one.folded = folding
    return folding


def turns_at(one: PersonFacts) -> int | None:
    """Tell the hour from which on an open promise changes what was read last; None when none does."""
    last = one.folded
    return last.turns_at if isinstance(last, Folded) and last.turns_at < promises.HOUR_MAX else None


def _fold(one: PersonFacts, *, catalogue: Catalogue, at_hour: int) -> Folded:
    fold = promises.fold(one, catalogue=catalogue, at_hour=at_hour)
    told = tellings(one, at_hour=at_hour)
    number = {key: place for place, key in enumerate(dict.fromkeys(one.key for one in fold.felt))}
    columns = np.array(
        [
            (one.hour, _stretched(one, catalogue), one.q, number[one.key], one.recovers and one.v > 0)
            for one in fold.felt
        ],
        dtype=np.int64,
    ).reshape(-1, FELT_WIDTH)
    good_cases = {one.key[1]: number[one.key] for one in fold.felt if one.recovers and one.v > 0}
    return Folded(
        catalogue=catalogue,
        at_hour=at_hour,
        until=min(fold.until, _other_facts_from(one.facts, at_hour=at_hour)),
        turns_at=fold.until,
        felt=fold.felt,
        columns=columns,
        weights=np.array([one.weight for one in fold.felt], dtype=np.float64),
        keys=len(number),
        tellings=told,
        told=[(one.fact.hour, *_amounts(one.fact)) for one in told],
        harms=[*_harms(one, told, good_cases, at_hour=at_hour)] if good_cases else (),
    )


def _stretched(one: Felt, catalogue: Catalogue) -> int:
    """Give an impression's valence as the model scales it: here each stands by itself."""
    stretch = catalogue.stretches.get(one.leaf.touchpoint)
    if stretch is None:
        return one.v
    return max(-MICRO, min(MICRO, round(one.v * (stretch.good if one.v > 0 else stretch.bad))))


def _other_facts_from(facts: Iterable[Fact], *, at_hour: int) -> int:
    """Tell the hour at which other facts exist, or at which what was done within this hour is past."""
    until = promises.HOUR_MAX
    for fact in facts:
        hour = fact.hour
        if hour >= at_hour:
            until = min(until, max(hour, at_hour + 1))
        elif hour > at_hour - HOURS_KEPT:
            until = min(until, hour + HOURS_KEPT)
    return until


def _harms(
    one: PersonFacts, told: Sequence[Telling], good_cases: Mapping[str, int], *, at_hour: int
) -> Iterator[tuple[int, Fact]]:
    """Give what harmed the cases that were resolved well, of all that counts at this hour."""
    again = {fact.turn for telling in told for fact in telling.again}
    own = [fact for fact in one.facts if fact.role == HARMS and fact.identity in one.identities]
    counted = [fact for fact in own if at_hour - HOURS_KEPT < fact.hour <= at_hour and fact.turn not in again]
    counted += [telling.fact for telling in told if telling.fact.kind == ONCE_CASE]
    for fact in counted:
        if fact.v < 0 and fact.key in good_cases:
            yield good_cases[fact.key], fact


def _amounts(fact: Fact) -> tuple[int, ...]:
    good, bad, q = max(fact.v, 0), max(-fact.v, 0), fact.q
    squares = good * good // MICRO, bad * bad // MICRO
    return q, q * good // MICRO, q * bad // MICRO, q * squares[0] // MICRO, q * squares[1] // MICRO


def gather(facts: Facts, *, leaves: Leaves, at_hour: int, stood_at: int | None = None) -> Beside:
    """Fold everybody's facts at an hour; promises and what makes up for harms, if asked for, as they stood at another.

    Raises LookupError when `leaves` lacks the leaf of a fact.
    """
    catalogue = leaves.catalogue
    owners: list[int] = []
    now: list[Folded] = []
    stood: list[Folded] = []
    for owner, one in sorted(facts.people.items()):
        owners.append(owner)
        now.append(folded(one, catalogue=catalogue, at_hour=at_hour))
        stood.append(now[-1] if stood_at is None else folded(one, catalogue=catalogue, at_hour=stood_at))
    bases = np.cumsum([0, *(one.keys for one in stood)])
    told = [
        (owner, 0, leaves.number(telling.fact.leaf), *amounts)
        for owner, one in zip(owners, now, strict=True)
        for telling, amounts in zip(one.tellings, one.told, strict=True)
    ]
    harms = [
        (owner, base + key, leaves.number(fact.leaf), fact.hour, *_amounts(fact))
        for owner, base, one in zip(owners, bases.tolist(), stood, strict=False)
        for key, fact in one.harms
    ]
    chosen = [telling for one in now for telling in one.tellings]
    return Beside(_impressions(owners, stood, bases), _told(told), _told(harms), chosen)


def _impressions(owners: Sequence[int], folds: Sequence[Folded], bases: Integers) -> Impressions:
    sizes = [len(one.felt) for one in folds]
    columns = np.concatenate([NO_COLUMNS, *(one.columns for one in folds)])
    columns[:, FELT_KEY] += np.repeat(bases[:-1], sizes)
    return Impressions(
        owner=np.repeat(np.array(owners, dtype=np.int64), sizes),
        columns=columns,
        weight=np.concatenate([NO_WEIGHTS, *(one.weights for one in folds)]),
        felt=[one for each in folds for one in each.felt],
    )


def _told(rows: Sequence[tuple[int, ...]]) -> Told:
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4 + len(TOLD_COLUMNS))
    owner, key, leaf, hour = columns[:, :4].T
    return Told(owner, key, leaf, hour, columns[:, 4:])


def terms(
    impressions: Impressions,
    groups: Integers,
    *,
    at_hour: int,
    parameters: Parameters,
    window_h: int | None,
    decay: Floats,
) -> Terms:
    """Weigh the impressions, and cap the sum of each key within each group."""
    columns = impressions.columns
    age = np.minimum(at_hour - impressions.hour, HOURS_KEPT)
    fading = decay[age] if window_h is None else (age < min(window_h, HOURS_KEPT)).astype(np.float64)
    v, q = columns[:, FELT_V] / MICRO, columns[:, FELT_Q] / MICRO
    good, bad = np.maximum(v, 0.0), np.maximum(-v, 0.0)
    delta, beta = impressions.weight * fading, parameters.beta
    # Keys stand in the order of sums, and so do their parts in one group after another.
    pairs = np.unique(columns[:, FELT_KEY] * (int(groups.max(initial=0)) + 1) + groups, return_inverse=True)[1]

    def capped(terms: Floats, counts: NDArray[np.bool_]) -> Floats:
        sums = np.bincount(pairs, weights=terms)
        weights = np.zeros(len(sums))
        np.maximum.at(weights, pairs[counts], impressions.weight[counts])
        most = parameters.cap * weights
        over = sums > most
        return np.where(over, most / np.where(over, sums, 1.0), 1.0)[pairs] * terms

    good = capped(delta * ((1 - beta) * good + beta * (good * good)) * q, v > 0)
    bad = capped(delta * ((1 - beta) * bad + beta * (bad * bad)) * q, v < 0)
    recovers = columns[:, FELT_RECOVERS] > 0
    return Terms(
        good=np.where(recovers, 0.0, good),
        bad=bad,
        seen=capped(delta * q, np.ones_like(recovers)),
        recovered=np.where(recovers, good, 0.0),
    )
