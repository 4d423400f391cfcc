"""How far a score fell within three days, and what did it: the read behind alerts, by SCORING section 4."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from services.core.beside import FELT_Q, FELT_V, Folded, folded
from services.core.change import brought, by_leaf
from services.core.evidence import as_one, balance, by_owner, evidence_of
from services.core.facts import NO_FACTS
from services.core.scoring import names_by_leaf, reading_of
from services.core.tallies import HOUR, MICRO, Tallies
from services.core.valence import Scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from services.core.catalogue import Entry, Parameters
    from services.core.dimensions import Leaves
    from services.core.evidence import Balance, Evidence, Groups
    from services.core.facts import Facts, PersonFacts
    from services.core.scoring import Key
    from services.core.thresholds import Thresholds

    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

FALL_H: Final = 72
"""What happened within so many hours makes a fall."""

CRITICAL_BELOW: Final = 25.0

BAD_ANSWER_V: Final = -MICRO // 2
"""An answer as bad as this, in micro-units, is one to call back about."""


class Fall(NamedTuple):
    """What became of one score within the hours."""

    before: float
    """What it would be had they not happened; a promise stands in it as it stood when they began."""
    score: float
    evidence: float
    """Bad evidence of these hours."""

    def tips(self, thresholds: Thresholds) -> bool:
        """Tell whether it fell as far as an alert is opened for."""
        return self.before - self.score >= thresholds.points and self.evidence >= thresholds.evidence

    @property
    def critical(self) -> bool:
        """Tell whether the score is among the lowest."""
        return self.score < CRITICAL_BELOW


class Reason(NamedTuple):
    """What one leaf did to a score within the hours, in points."""

    leaf: int
    points: float
    about: tuple[Key, ...]
    """The promises that are felt here: kind, whole and part of each."""


class _Ends(NamedTuple):
    now: Evidence
    without: Evidence
    """The same hour's read without the hours."""


def is_answer(entry: Entry) -> bool:
    """Tell whether a touchpoint is what somebody says when asked: it tells of a fall and is none."""
    return isinstance(entry.valence, Scale)


def may_have_fallen(  # noqa: PLR0913 -- what is read, when, and under what model
    tallies: Tallies,
    *,
    facts: Facts,
    owners: int,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
    thresholds: Thresholds,
) -> Booleans:
    """Tell cheaply whose bad evidence can reach the threshold; nobody else's fall would tip.

    Looks at the rows of these hours alone, as if nothing in them had faded and nothing were made up for.
    """
    hours = tallies.rows[:, HOUR]
    recent = np.flatnonzero((hours > at_hour - FALL_H) & (hours <= at_hour))
    rows = Tallies(tallies.owner[recent], tallies.rows.take(recent, axis=0))
    evidence = evidence_of(rows, leaves=leaves, facts=NO_FACTS, at_hour=at_hour, parameters=parameters)
    most = np.bincount(evidence.owner, weights=evidence.weight * evidence.bad, minlength=owners)
    for owner, one in facts.people.items():
        fold = one.folded
        if not isinstance(fold, Folded) or fold.catalogue is not leaves.catalogue:
            fold = folded(one, catalogue=leaves.catalogue, at_hour=at_hour)
        most[owner] += _most_beside(fold, leaves)
    reaches: Booleans = parameters.lambda_ * most >= thresholds.evidence
    return reaches


def _most_beside(fold: Folded, leaves: Leaves) -> float:
    """Give the most bad evidence that promises and facts told once can have: valence times stake, uncapped."""
    bad = np.minimum(fold.columns[:, FELT_V], 0) / MICRO
    most = -float((fold.weights * bad * (fold.columns[:, FELT_Q] / MICRO)).sum())
    for telling in fold.tellings:
        if telling.fact.v < 0:
            leaf = leaves.number(telling.fact.leaf)
            stretch = 1.0 if leaves.stretch is None else max(1.0, float(leaves.stretch[1][leaf]))
            most -= leaves.weight[leaf] * stretch * stretch * telling.fact.v / MICRO * telling.fact.q / MICRO
    return most


def read_falls(
    tallies: Tallies,
    *,
    facts: Facts,
    owners: int,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
) -> list[Fall]:
    """Read how far each owner's score fell until this hour, answers left out."""
    ends = _ends(tallies, facts=facts, leaves=leaves, at_hour=at_hour, parameters=parameters)
    return _falls(_unanswered(ends, leaves), by_owner(ends.now, owners), by_owner(ends.without, owners), parameters)


def read_falls_with_answers(
    tallies: Tallies,
    *,
    facts: Facts,
    owners: int,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
) -> list[Fall]:
    """Read the same with what people say when they are asked: for alerts about that."""
    ends = _ends(tallies, facts=facts, leaves=leaves, at_hour=at_hour, parameters=parameters)
    return _falls(ends, by_owner(ends.now, owners), by_owner(ends.without, owners), parameters)


def read_fall_together(
    tallies: Tallies,
    *,
    facts: Facts,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
    factors: Floats,
) -> Fall:
    """Read how far the score of several, as one, fell until this hour: an account's, by its contacts' factors."""
    ends = _ends(tallies, facts=facts, leaves=leaves, at_hour=at_hour, parameters=parameters, factors=factors)
    return _falls(_unanswered(ends, leaves), as_one(ends.now), as_one(ends.without), parameters)[0]


def read_reasons(  # noqa: PLR0913 -- what is read, when, and under what model
    tallies: Tallies,
    *,
    facts: Facts,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
    answers: bool,
    factors: Floats | None = None,
) -> list[Reason]:
    """Read which leaves made one owner's fall, or that of several as one: their points add up to it, the worst first.

    `answers` says whether they are in it. `leaves` numbers those of the facts as well (`Facts.leaves`); raises
    LookupError when it does not.
    """
    ends = _ends(tallies, facts=facts, leaves=leaves, at_hour=at_hour, parameters=parameters, factors=factors)
    ends = ends if answers else _unanswered(ends, leaves)
    parts = [
        balance(one, by_leaf(one, leaves), capped_in=as_one(one), window_h=None, parameters=parameters)
        for one in (ends.without, ends.now)
    ]
    points = brought(parts[0], parts[1], parameters)
    told = np.flatnonzero(points)
    order = told[np.lexsort((leaves.rank[told], points[told]))]
    about, _ = names_by_leaf(ends.now, leaves)
    return [Reason(leaf, float(points[leaf]), about.get(leaf, ())) for leaf in order.tolist()]


def _ends(
    tallies: Tallies,
    *,
    facts: Facts,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
    factors: Floats | None = None,
) -> _Ends:
    taken = partial(evidence_of, tallies, leaves=leaves, at_hour=at_hour, parameters=parameters, factors=factors)
    # What was folded for the scores stays as it was: it tells when promises turn.
    now = taken(facts=_apart(facts))
    stood = taken(facts=_apart(facts), stood_at=at_hour - FALL_H) if facts.people else now
    return _Ends(now, stood._replace(weight=np.where(stood.age < FALL_H, 0.0, stood.weight)))


def _apart(facts: Facts) -> Facts:
    people = {owner: _copied(one) for owner, one in facts.people.items()}
    return type(facts)(people) if people else NO_FACTS


def _copied(one: PersonFacts) -> PersonFacts:
    copied = type(one)(one.identities, one.facts)
    copied.folded = one.folded
    return copied


def _unanswered(ends: _Ends, leaves: Leaves) -> _Ends:
    """Take out what people say when they are asked: a weight of zero adds a zero."""
    used = np.unique(ends.now.leaf)
    answers = used[[is_answer(leaves.entries[leaf]) for leaf in used.tolist()]] if len(used) else used
    if not len(answers):
        return ends
    return _Ends(*(one._replace(weight=np.where(np.isin(one.leaf, answers), 0.0, one.weight)) for one in ends))


def _falls(ends: _Ends, groups: Groups, groups_without: Groups, parameters: Parameters) -> list[Fall]:
    whole = [_balance(one, each, parameters) for one, each in zip(ends, (groups, groups_without), strict=True)]
    score, before = (reading_of(one, parameters).score.tolist() for one in whole)
    own = _own_evidence(ends, groups, groups_without, parameters).tolist()
    return [Fall(*one) for one in zip(before, score, own, strict=True)]


def _own_evidence(ends: _Ends, groups: Groups, groups_without: Groups, parameters: Parameters) -> Floats:
    """Give the bad evidence of the hours: that of their rows, and what promises have more of than when they began."""
    now, without = ends
    period = now._replace(weight=np.where(now.age < FALL_H, now.weight, 0.0), beside=None)
    bad = _balance(period, groups, parameters).bad
    if now.beside is None:
        return bad
    felt, stood = (
        _balance(one._replace(weight=np.zeros_like(one.weight)), each, parameters).bad
        for one, each in ((now, groups), (without, groups_without))
    )
    return bad + np.maximum(felt - stood, 0.0)


def _balance(evidence: Evidence, groups: Groups, parameters: Parameters) -> Balance:
    return balance(evidence, groups, capped_in=groups, window_h=None, parameters=parameters)


def weightiest(reasons: Sequence[Reason], *, most: int) -> list[Reason]:
    """Give the reasons that there is room for, those that lowered the score before those that raised it."""
    return sorted(sorted(reasons, key=lambda one: -abs(one.points))[:most], key=lambda one: one.points)
