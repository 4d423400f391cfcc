"""What others have lived through at a place, as it reaches whoever orders there: an opinion of small weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from services.core.tallies import MICRO

if TYPE_CHECKING:
    from services.core.census import Sums

ORDERED: Final = "order.completed"
"""Whoever orders chooses the place, and hears of it before."""

HEARD: Final = "opinion.heard"

SOURCE: Final = "tactus/place-past"
"""No client's source begins so: it is the name of a key's."""

STAKE_MAX: Final = 2.0
"""As much as any event may have at stake."""

DOUBTERS: Final = 10
"""So many people who were there make an opinion half as sure as it can be."""

AGE_HOURS_MAX: Final = 24
"""A census sums up thirty days; one that is a day old still tells what the place was like at that hour."""

AHEAD_HOURS_MAX: Final = 1
"""The census may have begun in the hour after the order; one that is later knows what came of the order."""

DIGITS: Final = 6


class Opinion(NamedTuple):
    """How good a place was to others, in [−1, 1], and how sure that is."""

    sentiment: float
    confidence: float


def opinion_of(sums: Sums) -> Opinion | None:
    """Turn a place's mean score into what is heard of it; None when nobody has been there."""
    if not sums.customers:
        return None
    score = sums.scores / sums.customers / MICRO
    sure = sums.customers / (sums.customers + DOUBTERS)
    return Opinion(round((score - 50) / 50, DIGITS), round(sure, DIGITS))


def of_that_hour(*, census_hour: int, ordered_hour: int) -> bool:
    """Tell whether a census knows what a place was like at the hour of an order, and nothing of what came after."""
    return -AHEAD_HOURS_MAX <= ordered_hour - census_hour <= AGE_HOURS_MAX
