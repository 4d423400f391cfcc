"""How well numbers foretell outcomes: the area under the curve with its uncertainty, and how true probabilities are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from services.core.comparison import area_under_curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Integers = NDArray[np.int64]

SURE: Final = 1.959964
"""Standard deviations on each side that hold 95 % of a normal distribution."""

BINS: Final = 10
"""A calibration error is of tenths of the outcomes, as published ones are."""


class Area(NamedTuple):
    """An area under the curve; `sway` tells what each outcome adds to its uncertainty."""

    value: float
    sway: Floats


class Interval(NamedTuple):
    """A figure, and between what it lies with 95 % certainty."""

    value: float
    low: float
    high: float


class Trueness(NamedTuple):
    """How far told probabilities lie from what became of people, by tenths."""

    error: float
    by_chance: float
    """So much error true probabilities would show too, of so few outcomes."""


def area(scores: Floats, bad: Bools) -> Area:
    """Give the area with DeLong's parts; raises ValueError unless there are outcomes of both kinds."""
    value = area_under_curve(scores, bad)
    sway = np.empty(len(scores))
    for mine, sign in ((bad, 1.0), (~bad, -1.0)):
        count, others = int(mine.sum()), int((~mine).sum())
        lower = (_ranks(scores)[mine] - _ranks(scores[mine])) / others
        share = 1 - lower if sign > 0 else lower
        # One outcome of a kind says nothing of how much its kind varies.
        spread = math.sqrt(count / (count - 1)) if count > 1 else 0.0
        sway[mine] = (share - value) / count * spread
    return Area(value, sway)


def interval(value: float, sway: Floats, customers: Integers) -> Interval:
    """Give DeLong's interval, with the outcomes of one customer taken together, as they are not independent."""
    together = np.bincount(customers, weights=sway)
    half = SURE * math.sqrt(float(together @ together))
    return Interval(value, value - half, value + half)


def trueness(risks: Floats, bad: Bools) -> Trueness:
    """Compare probabilities with the shares that came true, by tenths of the outcomes in the order of the risk."""
    order = np.argsort(risks, kind="stable")
    error = by_chance = 0.0
    for part in np.array_split(order, min(BINS, len(order))):
        told, came = float(risks[part].mean()), float(bad[part].mean())
        share = len(part) / len(order)
        error += share * abs(told - came)
        by_chance += share * math.sqrt(2 / math.pi * told * (1 - told) / len(part))
    return Trueness(error, by_chance)


def _ranks(scores: Floats) -> Floats:
    """Give places in order, from 1, ties sharing the middle of theirs."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks
