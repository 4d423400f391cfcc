"""How a score moved within a period, and what moved it: what came, what faded and what fell out, leaf by leaf."""

from __future__ import annotations

import math
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from services.core.beside import FELT_HOUR
from services.core.evidence import NOTHING, Groups, as_one, balance, events_of, evidence_of
from services.core.scoring import names_by_leaf, reading_of
from services.core.tallies import HOURS_KEPT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from services.core.catalogue import Parameters
    from services.core.dimensions import Leaves
    from services.core.evidence import Balance, Evidence
    from services.core.facts import Facts
    from services.core.scoring import Key
    from services.core.tallies import Tallies

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

PERIODS: Final[Mapping[str, int]] = MappingProxyType({"day": 24, "week": 168, "month": 720})
"""Periods that people ask about, in hours."""

POINTS_MIN: Final = 5.0
"""What a change is worth telling from, in points."""

EVIDENCE_MIN: Final = 1.0
"""So much good or bad evidence must the period have of its own: one full impression of usual weight."""


class Change(NamedTuple):
    """How a score moved within a period, in points."""

    came: float
    """What the period brought: the score less what it would be without its hours."""
    faded: float
    """What older experiences lost of their weight meanwhile."""
    fell_out: float
    """What became too old to count at all."""
    significant: bool
    """Whether what came is much, of itself and in what it did to the score."""

    @property
    def points(self) -> float:
        """The score at the end less the score at the beginning."""
        return self.came + self.faded + self.fell_out


class Move(NamedTuple):
    """One leaf in two receipts: after − before = came + faded + fell_out + diluted."""

    leaf: int
    before: float
    """Its points when the period began."""
    after: float
    came: float
    """What its own events of the period did to the score: never below zero for good ones, nor above for bad ones."""
    faded: float
    fell_out: float
    diluted: float
    """What other leaves' evidence did to this one's share; of all leaves together it is nothing."""
    events: int
    """Its events within the period."""
    events_before: int
    """Those that counted when the period began."""
    about: tuple[Key, ...] = ()
    """The promises that are felt here at either end: kind, whole and part of each."""

    @property
    def moved(self) -> float:
        """What this leaf did to the score."""
        return self.came + self.faded + self.fell_out


class Moves(NamedTuple):
    """A change with the leaves that made it, the weightiest first, and the rest of them as one."""

    score_before: float
    score: float
    confidence_before: float
    confidence: float
    change: Change
    leaves: list[Move]
    others: Move
    """Its leaf is the number of leaves that it stands for."""


class _Stations(NamedTuple):
    """The way from one read to the other: at the end; without the period; before, of what is left; before."""

    now: Evidence
    without: Evidence
    left: Evidence
    earlier: Evidence


def read_changes(  # noqa: PLR0913 -- what is read, when, and under what model
    tallies: Tallies,
    *,
    facts: Facts,
    leaves: Leaves,
    at_hour: int,
    periods_h: Sequence[int],
    parameters: Parameters,
    factors: Floats | None = None,
) -> list[Change]:
    """Read how one owner's overall score, or that of several as one, moved within each of these periods before an hour.

    The reads of a change share their past, so their spreads say nothing about their difference. What came is measured
    against the same read without the period's hours and with each promise as it stood when the period began: silence
    alone is never significant (SCORING, section 3).
    """
    taken = partial(evidence_of, tallies, leaves=leaves, facts=facts, parameters=parameters, factors=factors)
    now = taken(at_hour=at_hour)
    return [
        _change(_stations(now, taken, promised=bool(facts.people), hours=hours), hours=hours, parameters=parameters)
        for hours in periods_h
    ]


def read_moves(  # noqa: PLR0913 -- what is read, when, and under what model
    tallies: Tallies,
    *,
    facts: Facts,
    leaves: Leaves,
    at_hour: int,
    hours: int,
    parameters: Parameters,
    leaves_max: int | None = None,
    factors: Floats | None = None,
) -> Moves:
    """Read what moved one owner's overall score, or that of several as one; leaves beyond `leaves_max` come as one sum.

    `leaves` numbers those of the facts as well (`Facts.leaves`); raises LookupError when it does not.
    """
    taken = partial(evidence_of, tallies, leaves=leaves, facts=facts, parameters=parameters, factors=factors)
    stations = _stations(taken(at_hour=at_hour), taken, promised=bool(facts.people), hours=hours)
    moves = _moves(stations, leaves, hours=hours, parameters=parameters)
    order = np.lexsort((leaves.rank, -np.abs(moves.moved)))
    order = order[moves.told[order]]
    shown, rest = order[:leaves_max], order[len(order[:leaves_max]) :]
    after, before = (reading_of(_whole(one, parameters), parameters) for one in (stations.now, stations.earlier))
    columns = (moves.points[:, shown].T.tolist(), moves.events[:, shown].T.tolist())
    sums = (math.fsum(column) for column in moves.points[:, rest].tolist())
    counts: list[int] = moves.events[:, rest].sum(axis=1).tolist()
    about = _about(stations, leaves)
    return Moves(
        score_before=float(before.score[0]),
        score=float(after.score[0]),
        confidence_before=float(before.confidence[0]),
        confidence=float(after.confidence[0]),
        change=_change(stations, hours=hours, parameters=parameters),
        leaves=[
            Move._make([leaf, *points, *events, about.get(leaf, ())])
            for leaf, points, events in zip(shown.tolist(), *columns, strict=True)
        ],
        others=Move._make([len(rest), *sums, *counts, ()]),
    )


def _stations(now: Evidence, taken: Callable[..., Evidence], *, promised: bool, hours: int) -> _Stations:
    """Take the reads between; `taken` takes the same evidence at another hour."""
    began = now.at_hour - hours
    earlier = taken(at_hour=began)
    stood = taken(at_hour=now.at_hour, stood_at=began) if promised else now
    # A weight of zero adds a zero: the sums are those of the other rows, bit for bit.
    without = stood._replace(weight=np.where(stood.age < hours, 0.0, stood.weight))
    return _Stations(now, without, _left(earlier, hours), earlier)


def _left(earlier: Evidence, hours: int) -> Evidence:
    """Take out what no longer counts so many hours later."""
    gone = earlier.age >= HOURS_KEPT - hours
    left = earlier._replace(weight=np.where(gone, 0.0, earlier.weight))
    if earlier.beside is None:
        return left
    impressions = earlier.beside.impressions
    columns = impressions.columns.copy()
    # Moved out of range, not taken out: the cap of a key stays what it is at the end of the period.
    columns[earlier.at_hour - impressions.hour >= HOURS_KEPT - hours, FELT_HOUR] = earlier.at_hour - HOURS_KEPT
    return left._replace(beside=earlier.beside._replace(impressions=impressions._replace(columns=columns)))


def _change(stations: _Stations, *, hours: int, parameters: Parameters) -> Change:
    now, without = stations.now, stations.without
    scores = [float(reading_of(_whole(one, parameters), parameters).score[0]) for one in stations]
    came, faded, fell_out = (scores[place] - scores[place + 1] for place in range(3))
    points = scores[0] - scores[-1]
    period = now._replace(weight=np.where(now.age < hours, now.weight, 0.0), beside=None)
    own = _own_evidence(_whole(period, parameters), now, without, parameters)
    much = min(abs(came), abs(points)) >= POINTS_MIN and own[came <= 0] >= EVIDENCE_MIN
    return Change(came, faded, fell_out, significant=much and (came > 0) == (points > 0))


def _own_evidence(period: Balance, now: Evidence, without: Evidence, parameters: Parameters) -> tuple[float, float]:
    """Give the good and the bad evidence of a period: that of its hours, and what promises have more of than before."""
    good, bad = float(period.good[0]), float(period.bad[0])
    if now.beside is not None:
        alone = [_whole(one._replace(weight=np.zeros_like(one.weight)), parameters) for one in (now, without)]
        good += max(0.0, float(alone[0].good[0] - alone[1].good[0]))
        bad += max(0.0, float(alone[0].bad[0] - alone[1].bad[0]))
    return good, bad


class _ByLeaf(NamedTuple):
    points: Floats
    """Rows as in Move: before, after, came, faded, fell_out, diluted."""
    events: Integers
    """Rows: within the period, before it."""
    told: NDArray[np.bool_]
    """Of which leaves anything counts at either end."""

    @property
    def moved(self) -> Floats:
        came, faded, fell_out = self.points[2:5]
        moved: Floats = came + faded + fell_out
        return moved


def _moves(stations: _Stations, leaves: Leaves, *, hours: int, parameters: Parameters) -> _ByLeaf:
    parts = []
    for evidence in stations:
        together, groups = as_one(evidence), by_leaf(evidence, leaves)
        parts.append(balance(evidence, groups, capped_in=together, window_h=None, parameters=parameters))
    now, without, left, earlier = parts
    after, before = _points(now, parameters), _points(earlier, parameters)
    came = brought(without, now, parameters)
    faded = brought(left, without, parameters)
    fell_out = brought(earlier, left, parameters)
    diluted = after - before - (came + faded + fell_out)
    within, _ = events_of(stations.now, by_leaf(stations.now, leaves), window_h=hours)
    _, counts = events_of(stations.now, by_leaf(stations.now, leaves), window_h=None)
    events_before, counted = events_of(stations.earlier, by_leaf(stations.earlier, leaves), window_h=None)
    return _ByLeaf(
        np.stack([before, after, came, faded, fell_out, diluted]), np.stack([within, events_before]), counts | counted
    )


def _about(stations: _Stations, leaves: Leaves) -> dict[int, tuple[Key, ...]]:
    """Give by leaf the promises that are felt there at either end, each once."""
    about: dict[int, tuple[Key, ...]] = {}
    for evidence in (stations.now, stations.earlier):
        for leaf, keys in names_by_leaf(evidence, leaves)[0].items():
            about[leaf] = tuple(dict.fromkeys((*about.get(leaf, ()), *keys)))
    return about


def _points(parts: Balance, parameters: Parameters) -> Floats:
    prior = parameters.prior
    a, b = _sides(parts, parameters)
    points: Floats = 100 * ((1 - prior) * parts.good - prior * parts.bad) / (a + b)
    return points


def brought(before: Balance, after: Balance, parameters: Parameters) -> Floats:
    """Give the points by which each leaf's own evidence moved the score from one read to the next: they sum to it.

    With a for good, b for bad and D = a + b, a'/D' − a/D = (Δa·b − a·Δb) / (D·D'): a sum over leaves, in which each
    has the sign of what it brought. It is a receipt whose prior is the score before.
    """
    a, b = _sides(before, parameters)
    total = sum(_sides(after, parameters))
    brought: Floats = 100 * ((after.good - before.good) * b - a * (after.bad - before.bad)) / ((a + b) * total)
    return brought


def _sides(parts: Balance, parameters: Parameters) -> tuple[float, float]:
    """Give all the good and all the bad evidence, the prior's with it."""
    kappa, prior = parameters.kappa, parameters.prior
    return kappa * prior + float(parts.good.sum()), kappa * (1 - prior) + float(parts.bad.sum())


def by_leaf(evidence: Evidence, leaves: Leaves) -> Groups:
    """Group by leaf, each under its number; `leaves` must number those of what is read beside the rows, too."""
    if evidence.beside is None:
        return Groups(evidence.leaf, NOTHING, len(leaves))
    felt = np.array([leaves.number(one.leaf) for one in evidence.beside.impressions.felt], dtype=np.int64)
    return Groups(evidence.leaf, felt, len(leaves))


def _whole(evidence: Evidence, parameters: Parameters) -> Balance:
    one = as_one(evidence)
    return balance(evidence, one, capped_in=one, window_h=None, parameters=parameters)
