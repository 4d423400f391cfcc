"""How well numbers foretell outcomes, against plain counting and DeLong's own formulas."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.forecasts import SURE, area, interval, trueness


def plainly(scores: list[float], bad: list[bool]) -> tuple[float, float]:
    """The area and its variance, as DeLong, DeLong and Clarke-Pearson (1988) write them."""
    worse = [score for score, is_bad in zip(scores, bad, strict=True) if is_bad]
    better = [score for score, is_bad in zip(scores, bad, strict=True) if not is_bad]

    def before(one: float, other: float) -> float:
        return 1.0 if one < other else 0.5 if one == other else 0.0

    value = sum(before(one, other) for one in worse for other in better) / (len(worse) * len(better))
    of_worse = [sum(before(one, other) for other in better) / len(better) for one in worse]
    of_better = [sum(before(one, other) for one in worse) / len(worse) for other in better]
    variance = 0.0
    for parts in (of_worse, of_better):
        variance += sum((part - value) ** 2 for part in parts) / (len(parts) - 1) / len(parts)
    return value, variance


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=4, max_size=60))
def test_the_interval_of_an_area_is_delongs(outcomes: list[tuple[int, bool]]) -> None:
    scores, bad = [float(score) for score, _ in outcomes], [is_bad for _, is_bad in outcomes]
    if not 2 <= sum(bad) <= len(bad) - 2:
        return

    found = area(np.array(scores), np.array(bad))
    told = interval(found.value, found.sway, np.arange(len(bad)))

    value, variance = plainly(scores, bad)
    assert found.value == pytest.approx(value)
    assert told.high - told.low == pytest.approx(2 * SURE * math.sqrt(variance))


def test_the_same_customer_asked_again_makes_nothing_surer() -> None:
    random = Random(5)
    scores = np.array([random.gauss(0, 1) for _ in range(200)])
    bad = np.array([random.random() < 0.4 for _ in range(200)])
    once = area(scores, bad)
    again = area(np.tile(scores, 4), np.tile(bad, 4))

    one, other = (
        interval(once.value, once.sway, np.arange(200)),
        interval(again.value, again.sway, np.tile(np.arange(200), 4)),
    )

    assert other.value == pytest.approx(one.value)
    assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.02)


def test_probabilities_that_come_true_err_as_much_as_chance_lets_them() -> None:
    random = Random(7)
    risks = np.array([random.random() for _ in range(4000)])
    bad = np.array([random.random() < risk for risk in risks])

    true, turned = trueness(risks, bad), trueness(1 - risks, bad)

    assert true.error < 2 * true.by_chance < 0.05
    assert turned.error > 0.4


def test_a_share_told_to_everybody_errs_by_how_far_it_is_off() -> None:
    bad = np.tile(np.array([True, False]), 50)

    assert trueness(np.full(100, 0.8), bad).error == pytest.approx(0.3)
