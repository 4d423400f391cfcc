"""Read tallies and facts into scores: all windows in one pass, dimensions, and receipts whose points add up."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

import numpy as np

from services.core.dimensions import DIMENSIONS
from services.core.evidence import as_one, balance, by_code, by_owner, events_of, evidence_of
from services.core.tallies import HOUR, Tallies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from services.core.catalogue import Parameters
    from services.core.dimensions import Leaves
    from services.core.evidence import Balance, Evidence
    from services.core.facts import Facts

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

WINDOWS: Final[Mapping[str, int]] = MappingProxyType({"24h": 24, "7d": 168, "30d": 720, "90d": 2160})
"""Windows people look at, in hours; inside a window nothing decays."""

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


Key = tuple[str, str, str]


class ToldAgain(NamedTuple):
    """A telling that does not count: what it is about, and the event."""

    key: str
    source: str
    event_id: str


class LeafPoints(NamedTuple):
    """What one leaf did to a score, in points, with the evidence that gives them."""

    leaf: int
    points: float
    events: int
    good: float
    bad: float
    """Less than none where a case that was resolved well makes up for harm of other leaves."""
    about: tuple[Key, ...] = ()
    """The promises that are felt here: kind, whole and part of each."""
    told_again: tuple[ToldAgain, ...] = ()
    """Tellings of what counts here once, beside the one that counts."""


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


def read(  # noqa: PLR0913 -- what is read, when, and under what model
    tallies: Tallies,
    *,
    facts: Facts,
    owners: int,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
    windows_h: Sequence[int | None],
) -> list[Reading[Floats]]:
    """Score every owner 0 … owners − 1 at an hour, once per window; None is the overall, decaying read.

    Equal tallies and facts give bit-equal scores in every process: the rows are summed one after another in the order
    (touchpoint, channel, place, hour), and what is read beside them after them, in the order of its keys.
    """
    evidence = evidence_of(tallies, leaves=leaves, facts=facts, at_hour=at_hour, parameters=parameters)
    each = by_owner(evidence, owners)
    return [
        reading_of(balance(evidence, each, capped_in=each, window_h=window_h, parameters=parameters), parameters)
        for window_h in windows_h
    ]


def read_together(  # noqa: PLR0913 -- what is read, when, and under what model
    tallies: Tallies,
    *,
    facts: Facts,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
    windows_h: Sequence[int | None],
    factors: Floats,
) -> list[Reading[Floats]]:
    """Score all owners as one, each capped by itself and multiplied by its factor, once per window.

    Equal tallies, in an equal order of the owners, give bit-equal scores; one owner alone, by a factor of 1, that of
    `read`.
    """
    evidence = evidence_of(tallies, leaves=leaves, facts=facts, at_hour=at_hour, parameters=parameters, factors=factors)
    one = as_one(evidence)
    return [
        reading_of(balance(evidence, one, capped_in=one, window_h=window_h, parameters=parameters), parameters)
        for window_h in windows_h
    ]


def read_each(
    tallies: Tallies,
    *,
    facts: Facts,
    leaves: Leaves,
    at_hours: Integers,
    parameters: Parameters,
    windows_h: Sequence[int | None],
) -> list[Reading[Floats]]:
    """Score every owner at an hour of its own, as `read` does to the last bit: a score depends on ages alone."""
    moved, facts, latest = at_one_hour(tallies, facts=facts, at_hours=at_hours)
    return read(
        moved,
        facts=facts,
        owners=len(at_hours),
        leaves=leaves,
        at_hour=latest,
        parameters=parameters,
        windows_h=windows_h,
    )


def at_one_hour(tallies: Tallies, *, facts: Facts, at_hours: Integers) -> tuple[Tallies, Facts, int]:
    """Move every owner's past so that all can be read at the hour that is given back, as each at its own."""
    latest = int(at_hours.max(initial=0))
    later = latest - at_hours
    rows = tallies.rows.copy()
    # Hours that do not exist yet stay so, and within what a sort key holds.
    rows[:, HOUR] = np.minimum(rows[:, HOUR] + later[tallies.owner], latest + 1)
    return Tallies(tallies.owner, rows), facts.moved(later.tolist()) if facts.people else facts, latest


def read_dimensions(  # noqa: PLR0913 -- what is read, when, and under what model
    tallies: Tallies,
    *,
    facts: Facts,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
    window_h: int | None = None,
    values_max: int | None = None,
    factors: Floats | None = None,
) -> Dimensions:
    """Score one owner along every dimension, or several as one, each by its factor.

    Values of which nothing counts at this hour are left out. Of more than `values_max` values those are told that most was seen of. `leaves` numbers those of the facts as well
    (`Facts.leaves`); raises LookupError when it does not.
    """
    evidence = evidence_of(tallies, leaves=leaves, facts=facts, at_hour=at_hour, parameters=parameters, factors=factors)
    cells: dict[str, dict[str, Cell]] = {}
    left_out: dict[str, int] = {}
    for name in DIMENSIONS:
        codes, values = leaves.dimension(name)
        used, groups = by_code(evidence, codes, leaves)
        sums = balance(evidence, groups, capped_in=groups, window_h=window_h, parameters=parameters)
        counts, anything = events_of(evidence, groups, window_h=window_h)
        told = np.flatnonzero(anything)
        if values and not values[0]:
            told = told[used[told] > 0]
        weightiest = np.sort(told[np.argsort(-sums.seen[told], kind="stable")][:values_max])
        if len(weightiest) < len(told):
            left_out[name] = len(told) - len(weightiest)
        columns = (column[weightiest].tolist() for column in (used, *reading_of(sums, parameters), counts))
        cells[name] = {values[code]: Cell(*cell) for code, *cell in zip(*columns, strict=True)}
    return Dimensions(cells, left_out)


def receipt(  # noqa: PLR0913 -- what is read, when, and under what model
    tallies: Tallies,
    *,
    facts: Facts,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
    leaves_max: int | None = None,
    factors: Floats | None = None,
) -> Receipt:
    """Explain one owner's overall score, or that of several as one: points by leaf, those beyond `leaves_max` as one sum.

    `leaves` numbers those of the facts as well (`Facts.leaves`); raises LookupError when it does not.
    """
    evidence = evidence_of(tallies, leaves=leaves, facts=facts, at_hour=at_hour, parameters=parameters, factors=factors)
    used, groups = by_code(evidence, np.arange(len(leaves)), leaves)
    together = as_one(evidence)
    whole, parts = (
        balance(evidence, one, capped_in=together, window_h=None, parameters=parameters) for one in (together, groups)
    )
    counts, anything = events_of(evidence, groups, window_h=None)
    prior = parameters.prior
    points = 100 * ((1 - prior) * parts.good - prior * parts.bad) / (parameters.kappa + whole.good + whole.bad)
    order = np.lexsort((leaves.rank[used], -np.abs(points)))
    order = order[anything[order]]
    shown, rest = order[:leaves_max], order[len(order[:leaves_max]) :]
    columns = (column[shown].tolist() for column in (used, points, counts, parts.good, parts.bad))
    about, again = names_by_leaf(evidence, leaves)
    lines = [
        LeafPoints(*line)._replace(about=about.get(line[0], ()), told_again=again.get(line[0], ()))
        for line in zip(*columns, strict=True)
    ]
    score, confidence, se = (float(column[0]) for column in reading_of(whole, parameters))
    others = Others(len(rest), math.fsum(points[rest].tolist()), int(counts[rest].sum())) if len(rest) else NO_OTHERS
    return Receipt(score, confidence, se, 100 * prior, lines, others)


def names_by_leaf(
    evidence: Evidence, leaves: Leaves
) -> tuple[dict[int, tuple[Key, ...]], dict[int, tuple[ToldAgain, ...]]]:
    """Give by leaf the promises whose impressions are there, and the sources that told again what counts there once."""
    about: dict[int, tuple[Key, ...]] = {}
    again: dict[int, tuple[ToldAgain, ...]] = {}
    if evidence.beside is None:
        return about, again
    for felt in evidence.beside.impressions.felt:
        leaf = leaves.number(felt.leaf)
        about[leaf] = (*about.get(leaf, ()), felt.key)
    for fact, others in evidence.beside.chosen:
        leaf = leaves.number(fact.leaf)
        told = tuple(ToldAgain(fact.key, one.source, one.event_id) for one in others)
        again[leaf] = (*again.get(leaf, ()), *told)
    return about, again


def reading_of(balance: Balance, parameters: Parameters) -> Reading[Floats]:
    """Turn evidence into scores."""
    a = parameters.kappa * parameters.prior + balance.good
    b = parameters.kappa * (1 - parameters.prior) + balance.bad
    total = a + b
    return Reading(
        score=100 / (1 + b / a),
        confidence=balance.seen / (balance.seen + parameters.kappa),
        se=100 * np.sqrt(a * b / (total * total * (total + 1))),
    )
