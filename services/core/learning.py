"""What a fit of weights minimises: how badly the score's own form tells outcomes, and how far it strays from its priors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from services.core.lived import summed
from services.core.valence import Const, NoValence, reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from services.core.catalogue import Catalogue, Parameters
    from services.core.lived import Lived

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Integers = NDArray[np.int64]
    Bounds = Sequence[tuple[float | None, float | None]]

WEIGHT_ROOM: Final = 0.25
"""A weight strays in multiples of itself and this: a touchpoint that weighs next to nothing may still turn out to matter."""

WEIGHT_MOST: Final = 10.0
"""As a model's file may have it."""

SCALE_BOUNDS: Final = (0.25, 4.0)
"""Beyond these a valence would be another function, which is the catalogue's business."""

KAPPA_BOUNDS: Final = (0.3, 30.0)
"""A tenth to ten times the default: with more, hardly anybody's score would ever count as known."""

SLOPE_BOUNDS: Final = (1e-3, 1e3)
"""Above zero: a better score is never the greater risk."""

SLOPE_ROOM: Final = 0.2
"""Scores are to spread as far as risks do: small weights under a steep curve tell as much, and look all alike."""


class Prior(NamedTuple):
    """Where a fit begins, and what it is pulled back to; columns by touchpoint, in the order of `names`."""

    names: Sequence[str]
    weights: Floats
    learned: Bools
    """Whose weight may move: declared, and met before some outcome that is learned from."""
    scaled: Bools
    """Whose valence may be scaled: of a constant valence the weight says it all."""
    good_most: Floats
    bad_most: Floats
    """How far the scale reaches on each side before the strongest event leaves [−1, 1]; infinite where there is none."""
    parameters: Parameters


class Fitted(NamedTuple):
    """What a fit found."""

    weights: Floats
    scales: Floats
    kappa: float
    level: float
    slope: float


def prior_of(catalogue: Catalogue, lived: Lived) -> Prior:
    """Begin with what the catalogue says of every touchpoint that somebody lived."""
    names = lived.names
    entries = [catalogue.entry(name) for name in names]
    felt = summed(lived.touchpoint, lived.pos + lived.neg, size=len(names)) > 0
    declared = np.array([name in catalogue.entries for name in names])
    varied = np.array([not isinstance(entry.valence, Const | NoValence) for entry in entries])
    ends = [reach(entry.valence) for entry in entries]
    with np.errstate(divide="ignore"):
        most = 1 / np.array(ends, dtype=np.float64).reshape(-1, 2)
    return Prior(
        names=names,
        weights=np.array([entry.weight for entry in entries]),
        learned=felt & declared,
        scaled=felt & declared & varied,
        good_most=most[:, 0],
        bad_most=most[:, 1],
        parameters=catalogue.parameters,
    )


class BetaForm:
    """The score's form with free weights, scales and κ, under a logistic curve: risk = σ(level + slope · ln(b / a)).

    A place in its space is one vector: the learned weights, the logarithms of the scales, those of κ and of the slope,
    and the level. Every place is a model that keeps all guarantees of the score.
    """

    def __init__(self, lived: Lived, bad: Bools, prior: Prior, *, strength: float) -> None:
        """Tell outcomes by what was lived before them; `strength` is how strongly the priors pull."""
        self._lived, self._bad, self._prior, self._strength = lived, bad.astype(np.float64), prior, strength
        self._weights = np.flatnonzero(prior.learned)
        self._scales = np.flatnonzero(prior.scaled)
        share = (float(self._bad.sum()) + 1) / (len(self._bad) + 2)
        weights, scales = prior.weights[self._weights], np.zeros(len(self._scales))
        kappa, level = math.log(prior.parameters.kappa), math.log(share / (1 - share))
        self.start: Floats = np.concatenate([weights, scales, [kappa, 0.0, level]])
        """The priors, as if the score were the risk itself."""
        self._room = np.concatenate([weights + WEIGHT_ROOM, scales + 1, [1.0, SLOPE_ROOM, np.inf]])

    @property
    def bounds(self) -> Bounds:
        """Between which each number must stay."""
        scale, kappa, slope = (
            (math.log(low), math.log(high)) for low, high in (SCALE_BOUNDS, KAPPA_BOUNDS, SLOPE_BOUNDS)
        )
        weights, scales = [(0.0, WEIGHT_MOST)] * len(self._weights), [scale] * len(self._scales)
        return [*weights, *scales, kappa, slope, (None, None)]

    def fitted(self, place: Floats) -> Fitted:
        """Name the numbers of a place."""
        weights, scales = self._prior.weights.copy(), np.ones(len(self._prior.names))
        some, others = len(self._weights), len(self._scales)
        weights[self._weights] = place[:some]
        scales[self._scales] = np.exp(place[some : some + others])
        kappa, slope, level = place[some + others :].tolist()
        return Fitted(weights, scales, math.exp(kappa), level, math.exp(slope))

    def log_odds(self, place: Floats) -> Floats:
        """Give the logarithm of the odds of a bad outcome, at a place."""
        found = self.fitted(place)
        a, b, _ = self._ends(found)
        return found.level + found.slope * (np.log(b) - np.log(a))

    def __call__(self, place: Floats) -> tuple[float, Floats]:
        """Give what is to be least, and which way it grows."""
        found, prior, lived = self.fitted(place), self._prior, self._lived
        a, b, (good, bad, good_grows, bad_grows) = self._ends(found)
        ratio = np.log(b) - np.log(a)
        odds = found.level + found.slope * ratio
        wrong = (_risk(odds) - self._bad) / len(self._bad)
        by_good, by_bad = -wrong * found.slope / a, wrong * found.slope / b * prior.parameters.lambda_
        sway_good, sway_bad = by_good[lived.owner] * lived.fading, by_bad[lived.owner] * lived.fading
        size = len(prior.names)
        by_weight = summed(lived.touchpoint, sway_good * good + sway_bad * bad, size=size)
        by_scale = summed(lived.touchpoint, sway_good * good_grows + sway_bad * bad_grows, size=size)
        p = prior.parameters.prior
        by_kappa = found.kappa * found.slope * float(wrong @ ((1 - p) / b - p / a))
        slopes = [by_kappa, found.slope * float(wrong @ ratio), float(wrong.sum())]
        gradient = np.concatenate(
            [by_weight[self._weights], (by_scale * found.weights * found.scales)[self._scales], slopes]
        )
        cost, strain = self._strayed(place)
        return float(np.mean(_surprise(odds, self._bad))) + cost, gradient + strain

    def _strayed(self, place: Floats) -> tuple[float, Floats]:
        """Tell what it costs to be so far from the priors; the level is free."""
        away = (place - self.start) / self._room
        strength = self._strength / len(self._bad)
        return strength * float(away @ away), 2 * strength * away / self._room

    def _ends(self, found: Fitted) -> tuple[Floats, Floats, tuple[Floats, Floats, Floats, Floats]]:
        """Give a and b of the Beta, and by row the good and the bad evidence and how both grow with the scale."""
        lived, prior = self._lived, self._prior
        parameters = prior.parameters
        scale, number = found.scales, lived.touchpoint
        good, good_grows = _felt(lived.pos, lived.pos2, scale, prior.good_most, number, parameters)
        bad, bad_grows = _felt(lived.neg, lived.neg2, scale, prior.bad_most, number, parameters)
        delta = found.weights[number] * lived.fading
        gains, losses = (summed(lived.owner, delta * one, size=lived.owners) for one in (good, bad))
        a = found.kappa * parameters.prior + gains
        b = found.kappa * (1 - parameters.prior) + parameters.lambda_ * losses
        return a, b, (good, bad, good_grows, bad_grows)


class Logistic:
    """A logistic curve over the good and the bad evidence of every touchpoint, with a coefficient of any sign for each.

    What the score's form is measured against: the same facts, no guarantee.
    """

    def __init__(self, columns: Floats, bad: Bools, *, bounds: Bounds, strength: float) -> None:
        """Tell outcomes by columns of like spread; `bounds` are those of their coefficients."""
        self._columns, self._bad, self._strength = columns, bad.astype(np.float64), strength
        self.bounds: Bounds = [*bounds, (None, None)]

    @property
    def start(self) -> Floats:
        """Nothing tells anything."""
        return np.zeros(self._columns.shape[1] + 1)

    def log_odds(self, place: Floats) -> Floats:
        """Give the logarithm of the odds of a bad outcome, at a place."""
        odds: Floats = self._columns @ place[:-1] + place[-1]
        return odds

    def __call__(self, place: Floats) -> tuple[float, Floats]:
        """Give what is to be least, and which way it grows."""
        odds = self.log_odds(place)
        wrong = (_risk(odds) - self._bad) / len(self._bad)
        strength, free = self._strength / len(self._bad), place[:-1]
        gradient = np.append(self._columns.T @ wrong + 2 * strength * free, wrong.sum())
        return float(np.mean(_surprise(odds, self._bad))) + strength * float(free @ free), gradient


def evidence_columns(lived: Lived, parameters: Parameters) -> tuple[Floats, Floats]:
    """Give by owner (rows) and touchpoint (columns) the good and the bad evidence, unweighed and unscaled."""
    size = len(lived.names)
    ones, none, every = np.ones(size), np.full(size, np.inf), lived.touchpoint
    cell = lived.owner * size + every
    columns = []
    for sums, squares in ((lived.pos, lived.pos2), (lived.neg, lived.neg2)):
        felt, _ = _felt(sums, squares, ones, none, every, parameters)
        flat = summed(cell, lived.fading * felt, size=lived.owners * size)
        columns.append(flat.reshape(lived.owners, size))
    return columns[0], columns[1]


def _felt(
    sums: Floats, squares: Floats, scales: Floats, most: Floats, number: Integers, parameters: Parameters
) -> tuple[Floats, Floats]:
    """Give evidence as the score reads it from a tally, and how it grows with the scale: not once it is held back."""
    held = scales >= most
    scale = np.minimum(scales, most)[number]
    beta = parameters.beta
    straight, curved = (1 - beta) * sums, beta * squares
    felt = straight * scale + curved * (scale * scale)
    grows = np.where((felt < parameters.cap) & ~held[number], straight + 2 * curved * scale, 0.0)
    return np.minimum(felt, parameters.cap), grows


def _risk(odds: Floats) -> Floats:
    return np.exp(-np.logaddexp(0.0, -odds))


def _surprise(odds: Floats, bad: Floats) -> Floats:
    return np.logaddexp(0.0, odds) - bad * odds
