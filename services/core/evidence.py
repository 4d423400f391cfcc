"""Good and bad evidence at an hour, as weighted sums by group: of tallies, and of what is read beside them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from services.core.beside import FELT_KEY, TOLD_COLUMNS, Beside, Told, gather, terms
from services.core.tallies import (
    HOUR,
    HOURS_KEPT,
    LEAF,
    MICRO,
    NEG,
    NEG2,
    POS,
    POS2,
    WIDTH,
    N,
    Q,
    Tallies,
    merge,
    sort_key,
)
from services.core.valence import MADE_UP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from services.core.beside import Terms
    from services.core.catalogue import Parameters
    from services.core.dimensions import Leaves
    from services.core.facts import Facts

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


class Balance(NamedTuple):
    """Weighted sums by group: good evidence, bad evidence (losses loom larger), and how much was seen."""

    good: Floats
    bad: Floats
    seen: Floats


class Harmed(NamedTuple):
    """What cases that were resolved well did to rows: the number of the promise's key, the row, and the bad evidence.

    The evidence is what the row would have less without the case, so that nothing is made up for that a cap swallowed.
    """

    key: Integers
    row: Integers
    bad: Floats


class Evidence(NamedTuple):
    """Rows in the order of sums: age in hours (HOURS_KEPT when out of range), weight, capped good, bad and seen."""

    owner: Integers
    hour: Integers
    age: Integers
    weight: Floats
    good: Floats
    bad: Floats
    seen: Floats
    leaf: Integers
    n: Integers
    """How many events a row counts."""
    at_hour: int
    beside: Beside | None
    """What is read beside the rows; None when there is nothing."""
    harmed: Harmed


class Groups(NamedTuple):
    """To which of `size` groups each row belongs, and each impression beside the rows."""

    rows: Integers
    felt: Integers
    size: int


NO_HARM: Final = Harmed(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))
NOTHING: Final = np.empty(0, dtype=np.int64)

GOOD: Final = 0
BAD: Final = 1
"""The sides of a stretch."""


@lru_cache(maxsize=16)
def decay_table(half_life_days: float) -> Floats:
    """2 ** (-age / half-life) by age in hours, with one zero after the last hour that counts.

    Made with Python floats, because the last bit of a vectorised power differs between processors.
    """
    table = [2.0 ** (-age / (24 * half_life_days)) for age in range(HOURS_KEPT)]
    decay = np.array([*table, 0.0])
    decay.flags.writeable = False
    return decay


def evidence_of(  # noqa: PLR0913 -- what is read, when, and under what model
    tallies: Tallies,
    *,
    leaves: Leaves,
    facts: Facts,
    at_hour: int,
    parameters: Parameters,
    stood_at: int | None = None,
    factors: Floats | None = None,
) -> Evidence:
    """Take from rows and facts what every window needs, promises as they stood at another hour if that is given.

    With factors, one an owner, all that an owner has lived weighs so many times as much.
    """
    evidence = _taken(tallies, leaves=leaves, facts=facts, at_hour=at_hour, parameters=parameters, stood_at=stood_at)
    return evidence if factors is None else _multiplied(evidence, factors)


def _multiplied(evidence: Evidence, factors: Floats) -> Evidence:
    beside = evidence.beside
    if beside is not None:
        felt = beside.impressions
        beside = beside._replace(impressions=felt._replace(weight=felt.weight * factors[felt.owner]))
    return evidence._replace(weight=evidence.weight * factors[evidence.owner], beside=beside)


def _taken(
    tallies: Tallies,
    *,
    leaves: Leaves,
    facts: Facts,
    at_hour: int,
    parameters: Parameters,
    stood_at: int | None,
) -> Evidence:
    tallies = _in_order(tallies, leaves)
    if not facts.people:
        return _evidence(tallies, leaves=leaves, at_hour=at_hour, parameters=parameters)
    beside = gather(facts, leaves=leaves, at_hour=at_hour, stood_at=stood_at)
    told, harms = beside.tellings, beside.harms
    tallies = _in_order(_with_rows(tallies, [told, harms]), leaves)
    if len(told.owner):
        tallies = tallies._replace(rows=tallies.rows.copy())
        places = _places(tallies, told, leaves)
        for column, amounts in zip(TOLD_COLUMNS, told.amounts.T, strict=True):
            np.add.at(tallies.rows[:, column], places, amounts)
    evidence = _evidence(tallies, leaves=leaves, at_hour=at_hour, parameters=parameters)
    return evidence._replace(beside=beside, harmed=_harmed(tallies, evidence, harms, leaves, parameters))


def balance(
    evidence: Evidence, groups: Groups, *, capped_in: Groups, window_h: int | None, parameters: Parameters
) -> Balance:
    """Sum by group; bincount adds one after another, so the order of the rows alone fixes every bit.

    What is read beside the rows is capped within the groups of `capped_in`, which are these or larger ones.
    """
    rows, felt, size = groups
    delta, good, bad, seen = evidence.weight, evidence.good, evidence.bad, evidence.seen
    if window_h is None:
        delta = delta * decay_table(parameters.half_life_days)[evidence.age]
    else:
        inside = np.flatnonzero(evidence.age < min(window_h, HOURS_KEPT))
        rows, delta = rows[inside], delta[inside]
        good, bad, seen = good[inside], bad[inside], seen[inside]
    goods, bads, seens = (_sums(rows, delta * one, size=size) for one in (good, bad, seen))
    if evidence.beside is None:
        return Balance(goods, parameters.lambda_ * bads, seens)
    each = terms(
        evidence.beside.impressions,
        capped_in.felt,
        at_hour=evidence.at_hour,
        parameters=parameters,
        window_h=window_h,
        decay=decay_table(parameters.half_life_days),
    )
    for sums, added in ((goods, each.good), (bads, each.bad), (seens, each.seen)):
        np.add.at(sums, felt, added)
    bads = parameters.lambda_ * bads
    np.subtract.at(bads, felt, _made_up(evidence, each, capped_in, window_h=window_h, parameters=parameters))
    return Balance(goods, bads, seens)


def by_owner(evidence: Evidence, owners: int) -> Groups:
    """Group by owner."""
    return Groups(evidence.owner, NOTHING if evidence.beside is None else evidence.beside.impressions.owner, owners)


def as_one(evidence: Evidence) -> Groups:
    """Take everything as one group."""
    felt = NOTHING if evidence.beside is None else np.zeros_like(evidence.beside.impressions.owner)
    return Groups(np.zeros_like(evidence.owner), felt, 1)


def by_code(evidence: Evidence, codes: Integers, leaves: Leaves) -> tuple[Integers, Groups]:
    """Group by a code that each leaf has: the codes there are, in their order, and the groups; raises LookupError.

    `leaves` must number the leaves of what is read beside the rows, too (`Facts.leaves`).
    """
    of_rows = codes[evidence.leaf]
    if evidence.beside is None:
        used, groups = np.unique(of_rows, return_inverse=True)
        return used, Groups(groups, NOTHING, len(used))
    of_felt = codes[[leaves.number(one.leaf) for one in evidence.beside.impressions.felt]]
    used, groups = np.unique(np.concatenate([of_rows, of_felt]), return_inverse=True)
    return used, Groups(groups[: len(of_rows)], groups[len(of_rows) :], len(used))


def events_of(evidence: Evidence, groups: Groups, *, window_h: int | None) -> tuple[Integers, NDArray[np.bool_]]:
    """Count by group the events within the hours that count, and tell which groups have anything there at all."""
    hours = HOURS_KEPT if window_h is None else min(window_h, HOURS_KEPT)
    counts = np.zeros(groups.size, dtype=np.int64)
    np.add.at(counts, groups.rows, evidence.n * (evidence.age < hours))
    anything = counts > 0
    if evidence.beside is not None:
        anything[groups.felt[evidence.at_hour - evidence.beside.impressions.hour < hours]] = True
    return counts, anything


def _in_order(tallies: Tallies, leaves: Leaves) -> Tallies:
    """Sort as sums go: by owner, touchpoint, channel, place, hour."""
    if leaves.ranked:
        return tallies
    rank = leaves.rank[tallies.rows[:, LEAF]]
    order = np.argsort(sort_key(owner=tallies.owner, middle=rank, hour=tallies.rows[:, HOUR]))
    return tallies._replace(owner=tallies.owner[order], rows=tallies.rows.take(order, axis=0))


def _evidence(tallies: Tallies, *, leaves: Leaves, at_hour: int, parameters: Parameters) -> Evidence:
    owner, rows = tallies
    # Read as unsigned, hours that do not exist yet are as far out of range as those that are too old.
    age = np.minimum((at_hour - rows[:, HOUR]).view(np.uint64), np.uint64(HOURS_KEPT)).view(np.int64)
    leaf = rows[:, LEAF]
    return Evidence(
        owner=owner,
        hour=rows[:, HOUR],
        age=age,
        weight=leaves.weight[leaf],
        good=_felt(rows[:, POS], rows[:, POS2], _stretch(leaves, GOOD, leaf), parameters),
        bad=_felt(rows[:, NEG], rows[:, NEG2], _stretch(leaves, BAD, leaf), parameters),
        seen=np.minimum(rows[:, Q] / MICRO, parameters.cap),
        leaf=leaf,
        n=rows[:, N],
        at_hour=at_hour,
        beside=None,
        harmed=NO_HARM,
    )


def _felt(sums: Integers, squares: Integers, stretch: Floats | None, parameters: Parameters) -> Floats:
    """Tell how intense it was, with emphasis on what was most intense, as the model scales it, and capped."""
    linear, square, beta = sums / MICRO, squares / MICRO, parameters.beta
    if stretch is not None:
        linear, square = linear * stretch, square * (stretch * stretch)
    return np.minimum((1 - beta) * linear + beta * square, parameters.cap)


def _stretch(leaves: Leaves, side: int, leaf: Integers) -> Floats | None:
    """Give by what the valence of each of these leaves is multiplied; None when the model scales none."""
    return None if leaves.stretch is None else leaves.stretch[side][leaf]


def _with_rows(tallies: Tallies, several: list[Told]) -> Tallies:
    """Make room for facts of leaves and hours that no tally is of."""
    owner = np.concatenate([told.owner for told in several])
    if not len(owner):
        return tallies
    leaf, hour = (np.concatenate([getattr(told, name) for told in several]) for name in ("leaf", "hour"))
    size = len(tallies.owner)
    keys = sort_key(
        owner=np.concatenate([tallies.owner, owner]),
        middle=np.concatenate([tallies.rows[:, LEAF], leaf]),
        hour=np.concatenate([tallies.rows[:, HOUR], hour]),
    )
    missing = ~np.isin(keys[size:], keys[:size])
    if not missing.any():
        return tallies
    rows = np.zeros((int(missing.sum()), WIDTH), dtype=np.int64)
    rows[:, LEAF], rows[:, HOUR] = leaf[missing], hour[missing]
    return merge([tallies, merge([Tallies(owner[missing], rows)])])


def _places(tallies: Tallies, told: Told, leaves: Leaves) -> Integers:
    """Find the rows that facts add to; they are there."""
    rank = leaves.rank
    owner = np.concatenate([tallies.owner, told.owner])
    middle = np.concatenate([rank[tallies.rows[:, LEAF]], rank[told.leaf]])
    keys = sort_key(owner=owner, middle=middle, hour=np.concatenate([tallies.rows[:, HOUR], told.hour]))
    size = len(tallies.owner)
    return np.searchsorted(keys[:size], keys[size:])


def _harmed(tallies: Tallies, evidence: Evidence, harms: Told, leaves: Leaves, parameters: Parameters) -> Harmed:
    if not len(harms.owner):
        return NO_HARM
    places = _places(tallies, harms, leaves)
    # Several facts of one case may be of one row: together they make what the row would have less.
    pairs, member = np.unique(np.stack([harms.key, places]), axis=1, return_inverse=True)
    amounts = np.zeros((pairs.shape[1], len(TOLD_COLUMNS)), dtype=np.int64)
    np.add.at(amounts, member.reshape(-1), harms.amounts)
    key, row = pairs
    by_column = dict(zip(TOLD_COLUMNS, amounts.T, strict=True))
    without = _felt(
        np.maximum(tallies.rows[row, NEG] - by_column[NEG], 0),
        np.maximum(tallies.rows[row, NEG2] - by_column[NEG2], 0),
        _stretch(leaves, BAD, tallies.rows[row, LEAF]),
        parameters,
    )
    return Harmed(key, row, np.maximum(evidence.bad[row] - without, 0.0))


def _made_up(
    evidence: Evidence, each: Terms, groups: Groups, *, window_h: int | None, parameters: Parameters
) -> Floats:
    """Tell how much bad evidence each good resolution makes up for: all it has, up to most of what its case did."""
    made_up = np.zeros(len(each.good))
    key, row, bad = evidence.harmed
    if not len(key) or evidence.beside is None:
        return made_up
    age = evidence.age[row]
    fading = decay_table(parameters.half_life_days)[age] if window_h is None else age < min(window_h, HOURS_KEPT)
    harm = _by_pair(key, groups.rows[row], evidence.weight[row] * fading * bad)
    keys = evidence.beside.impressions.columns[:, FELT_KEY]
    good = _by_pair(keys, groups.felt, each.recovered)
    pairs = zip(keys.tolist(), groups.felt.tolist(), each.recovered.tolist(), strict=True)
    for place, (number, group, term) in enumerate(pairs):
        if term and (number, group) in harm:
            whole = good[number, group]
            made_up[place] = min(whole, MADE_UP * parameters.lambda_ * harm[number, group]) * (term / whole)
    return made_up


def _by_pair(key: Integers, group: Integers, added: Floats) -> dict[tuple[int, int], float]:
    sums: dict[tuple[int, int], float] = {}
    for number, of, term in zip(key.tolist(), group.tolist(), added.tolist(), strict=True):
        sums[number, of] = sums.get((number, of), 0.0) + term
    return sums


def _sums(groups: Integers, added: Floats, *, size: int) -> Floats:
    sums: Floats = np.bincount(groups, weights=added, minlength=size).astype(np.float64, copy=False)
    return sums
