"""Read tallies into scores: all windows in one pass, dimensions, and receipts whose points add up."""

from __future__ import annotations

import math
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

import numpy as np

from services.core.dimensions import DIMENSIONS
from services.core.tallies import HOUR, LEAF, MICRO, NEG, NEG2, POS, POS2, N, Q, sort_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from services.core.catalogue import Parameters
    from services.core.dimensions import Leaves
    from services.core.tallies import Tallies

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

HOURS_KEPT: Final = 9600
"""400 days: older hours do not count, in the read itself, so retention never changes a score."""

WINDOWS: Final[Mapping[str, int]] = MappingProxyType({"24h": 24, "7d": 168, "30d": 720, "90d": 2160})
"""Windows people look at, in hours; inside a window nothing decays."""

BANDS: Final = ("unknown", "critical", "low", "fair", "good", "great")
BAND_FROM: Final = (25.0, 40.0, 60.0, 80.0)
"""The scores at which low, fair, good and great begin."""
CHANGE_POINTS_MIN: Final = 5.0
"""What a change is worth telling from, in points."""
CHANGE_EVIDENCE_MIN: Final = 1.0
"""So much good or bad evidence must the period have of its own: one full impression of usual weight."""

CONFIDENCE_KNOWN: Final = 0.1
"""Below it a score says more about the prior than about the person."""

T = TypeVar("T")


class Reading(NamedTuple, Generic[T]):
    """A score of 0 to 100, how much was seen behind it (0 to 1), and its standard error in points."""

    score: T
    confidence: T
    se: T


class Cell(NamedTuple):
    """One value of a dimension: its score, and how many events are behind it."""

    score: float
    confidence: float
    se: float
    events: int


class Dimensions(NamedTuple):
    """What was read along every dimension."""

    cells: dict[str, dict[str, Cell]]
    """By dimension, then by value, in text order."""
    left_out: dict[str, int]
    """By dimension, of how many values there was no room for; those without any are not named."""


class LeafPoints(NamedTuple):
    """What one leaf did to a score, in points, with the evidence that gives them."""

    leaf: int
    points: float
    events: int
    good: float
    bad: float


class Others(NamedTuple):
    """What is left of a receipt when only its weightiest leaves are shown."""

    leaves: int
    points: float
    events: int


NO_OTHERS: Final = Others(0, 0.0, 0)


class Receipt(NamedTuple):
    """Why a score is what it is: score = prior + the sum of the leaves' points + those of the others."""

    score: float
    confidence: float
    se: float
    prior: float
    leaves: list[LeafPoints]
    others: Others


class Change(NamedTuple):
    """How a score moved within a period, in points: what came in it, and what faded meanwhile."""

    came: float
    faded: float
    significant: bool
    """Whether what came is much, of itself and in what it did to the score."""

    @property
    def points(self) -> float:
        """The score at the end less the score at the beginning."""
        return self.came + self.faded


class _Evidence(NamedTuple):
    """Rows in the order of sums: age in hours (HOURS_KEPT when out of range), weight, capped good, bad and seen."""

    owner: Integers
    age: Integers
    weight: Floats
    good: Floats
    bad: Floats
    seen: Floats


class _Balance(NamedTuple):
    """Weighted sums by group: good evidence, bad evidence (losses loom larger), and how much was seen."""

    good: Floats
    bad: Floats
    seen: Floats


@lru_cache(maxsize=16)
def decay_table(half_life_days: float) -> Floats:
    """2 ** (-age / half-life) by age in hours, with one zero after the last hour that counts.

    Made with Python floats, because the last bit of a vectorised power differs between processors.
    """
    table = [2.0 ** (-age / (24 * half_life_days)) for age in range(HOURS_KEPT)]
    decay = np.array([*table, 0.0])
    decay.flags.writeable = False
    return decay


def read(
    tallies: Tallies,
    *,
    owners: int,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
    windows_h: Sequence[int | None],
) -> list[Reading[Floats]]:
    """Score every owner 0 … owners − 1 at an hour, once per window; None is the overall, decaying read.

    Equal tallies give bit-equal scores in every process: the rows are summed one after another in the order
    (touchpoint, channel, place, hour).
    """
    tallies = _in_order(tallies, leaves)
    evidence = _evidence(tallies, leaves=leaves, at_hour=at_hour, parameters=parameters)
    return [
        _reading(
            _balance(evidence, groups=evidence.owner, size=owners, window_h=window_h, parameters=parameters), parameters
        )
        for window_h in windows_h
    ]


def read_dimensions(
    tallies: Tallies,
    *,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
    window_h: int | None = None,
    values_max: int | None = None,
) -> Dimensions:
    """Score one owner along every dimension; values without an event that counts at this hour are left out.

    Of more than `values_max` values those are told that most was seen of.
    """
    tallies = _in_order(tallies, leaves)
    evidence = _evidence(tallies, leaves=leaves, at_hour=at_hour, parameters=parameters)
    leaf = tallies.rows[:, LEAF]
    events = _events_that_count(tallies, evidence, window_h=window_h)
    cells: dict[str, dict[str, Cell]] = {}
    left_out: dict[str, int] = {}
    for name in DIMENSIONS:
        codes, values = leaves.dimension(name)
        used, groups = np.unique(codes[leaf], return_inverse=True)
        balance = _balance(evidence, groups=groups, size=len(used), window_h=window_h, parameters=parameters)
        counts = _counts(groups, events, size=len(used))
        told = np.flatnonzero(counts)
        if values and not values[0]:
            told = told[used[told] > 0]
        weightiest = np.sort(told[np.argsort(-balance.seen[told], kind="stable")][:values_max])
        if len(weightiest) < len(told):
            left_out[name] = len(told) - len(weightiest)
        columns = (column[weightiest].tolist() for column in (used, *_reading(balance, parameters), counts))
        cells[name] = {values[code]: Cell(*cell) for code, *cell in zip(*columns, strict=True)}
    return Dimensions(cells, left_out)


def receipt(
    tallies: Tallies, *, leaves: Leaves, at_hour: int, parameters: Parameters, leaves_max: int | None = None
) -> Receipt:
    """Explain one owner's overall score: points by leaf, the weightiest first, those beyond `leaves_max` as one sum."""
    tallies = _in_order(tallies, leaves)
    evidence = _evidence(tallies, leaves=leaves, at_hour=at_hour, parameters=parameters)
    leaf = tallies.rows[:, LEAF]
    events = _events_that_count(tallies, evidence, window_h=None)
    used, groups = np.unique(leaf, return_inverse=True)
    whole = _balance(evidence, groups=np.zeros_like(leaf), size=1, window_h=None, parameters=parameters)
    parts = _balance(evidence, groups=groups, size=len(used), window_h=None, parameters=parameters)
    counts = _counts(groups, events, size=len(used))
    prior = parameters.prior
    points = 100 * ((1 - prior) * parts.good - prior * parts.bad) / (parameters.kappa + whole.good + whole.bad)
    order = np.lexsort((leaves.rank[used], -np.abs(points)))
    order = order[counts[order] > 0]
    shown, rest = order[:leaves_max], order[len(order[:leaves_max]) :]
    columns = (column[shown].tolist() for column in (used, points, counts, parts.good, parts.bad))
    lines = [LeafPoints(*line) for line in zip(*columns, strict=True)]
    score, confidence, se = (float(column[0]) for column in _reading(whole, parameters))
    others = Others(len(rest), math.fsum(points[rest].tolist()), int(counts[rest].sum())) if len(rest) else NO_OTHERS
    return Receipt(score, confidence, se, 100 * prior, lines, others)


def band(score: float, confidence: float) -> str:
    """Name the band of a score."""
    return BANDS[int(bands(np.array([score]), np.array([confidence]))[0])]


def bands(score: Floats, confidence: Floats) -> Integers:
    """Number the bands of many scores: positions in BANDS."""
    index = np.searchsorted(np.array(BAND_FROM), score, side="right") + 1
    return np.where(confidence < CONFIDENCE_KNOWN, 0, index).astype(np.int64)


def read_change(tallies: Tallies, *, leaves: Leaves, at_hour: int, hours: int, parameters: Parameters) -> Change:
    """Read how one owner's overall score moved within so many hours before an hour.

    The three reads share their past, so their spreads say nothing about their difference. What came is measured against
    the same read without the period's hours: silence alone is never significant (SCORING, section 3).
    """
    tallies = _in_order(tallies, leaves)
    now = _evidence(tallies, leaves=leaves, at_hour=at_hour, parameters=parameters)
    inside = now.age < hours
    # A weight of zero adds a zero: the sums are those of the other rows, bit for bit.
    without = now._replace(weight=np.where(inside, 0.0, now.weight))
    earlier = _evidence(tallies, leaves=leaves, at_hour=at_hour - hours, parameters=parameters)
    balances = [_whole(evidence, parameters) for evidence in (now, without, earlier)]
    score, score_without, score_before = (float(_reading(balance, parameters).score[0]) for balance in balances)
    own = _whole(now._replace(weight=np.where(inside, now.weight, 0.0)), parameters)
    came, points = score - score_without, score - score_before
    evidence = float((own.good if came > 0 else own.bad)[0])
    much = min(abs(came), abs(points)) >= CHANGE_POINTS_MIN and evidence >= CHANGE_EVIDENCE_MIN
    return Change(came, score_without - score_before, significant=much and (came > 0) == (points > 0))


def _whole(evidence: _Evidence, parameters: Parameters) -> _Balance:
    one = np.zeros_like(evidence.owner)
    return _balance(evidence, groups=one, size=1, window_h=None, parameters=parameters)


def _in_order(tallies: Tallies, leaves: Leaves) -> Tallies:
    """Sort as sums go: by owner, touchpoint, channel, place, hour."""
    if leaves.ranked:
        return tallies
    rank = leaves.rank[tallies.rows[:, LEAF]]
    order = np.argsort(sort_key(owner=tallies.owner, middle=rank, hour=tallies.rows[:, HOUR]))
    return tallies._replace(owner=tallies.owner[order], rows=tallies.rows.take(order, axis=0))


def _evidence(tallies: Tallies, *, leaves: Leaves, at_hour: int, parameters: Parameters) -> _Evidence:
    """Take from rows in order what every window needs."""
    owner, rows = tallies
    beta, cap = parameters.beta, parameters.cap
    # Read as unsigned, hours that do not exist yet are as far out of range as those that are too old.
    age = np.minimum((at_hour - rows[:, HOUR]).view(np.uint64), np.uint64(HOURS_KEPT)).view(np.int64)
    return _Evidence(
        owner=owner,
        age=age,
        weight=leaves.weight[rows[:, LEAF]],
        good=np.minimum((1 - beta) * (rows[:, POS] / MICRO) + beta * (rows[:, POS2] / MICRO), cap),
        bad=np.minimum((1 - beta) * (rows[:, NEG] / MICRO) + beta * (rows[:, NEG2] / MICRO), cap),
        seen=np.minimum(rows[:, Q] / MICRO, cap),
    )


def _balance(
    evidence: _Evidence, *, groups: Integers, size: int, window_h: int | None, parameters: Parameters
) -> _Balance:
    """Sum by group; bincount adds one after another, so the order of the rows alone fixes every bit."""
    _, age, delta, good, bad, seen = evidence
    if window_h is None:
        delta = delta * decay_table(parameters.half_life_days)[age]
    else:
        inside = np.flatnonzero(age < min(window_h, HOURS_KEPT))
        groups, delta = groups[inside], delta[inside]
        good, bad, seen = good[inside], bad[inside], seen[inside]
    return _Balance(
        good=_sums(groups, delta * good, size=size),
        bad=parameters.lambda_ * _sums(groups, delta * bad, size=size),
        seen=_sums(groups, delta * seen, size=size),
    )


def _sums(groups: Integers, terms: Floats, *, size: int) -> Floats:
    sums: Floats = np.bincount(groups, weights=terms, minlength=size).astype(np.float64, copy=False)
    return sums


def _reading(balance: _Balance, parameters: Parameters) -> Reading[Floats]:
    a = parameters.kappa * parameters.prior + balance.good
    b = parameters.kappa * (1 - parameters.prior) + balance.bad
    total = a + b
    return Reading(
        score=100 / (1 + b / a),
        confidence=balance.seen / (balance.seen + parameters.kappa),
        se=100 * np.sqrt(a * b / (total * total * (total + 1))),
    )


def _events_that_count(tallies: Tallies, evidence: _Evidence, *, window_h: int | None) -> Integers:
    inside = evidence.age < (HOURS_KEPT if window_h is None else min(window_h, HOURS_KEPT))
    return tallies.rows[:, N] * inside


def _counts(groups: Integers, events: Integers, *, size: int) -> Integers:
    counts = np.zeros(size, dtype=np.int64)
    np.add.at(counts, groups, events)
    return counts
