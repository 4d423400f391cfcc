"""Figures of a comparison, against plain counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.bands import BANDS, Bands
from services.core.comparison import MOVERS_MAX, Comparison, area_under_curve
from services.core.scoring import Reading

SCORES = st.floats(0.1, 99.9)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
def test_the_area_is_the_share_of_pairs_in_the_right_order(outcomes: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in outcomes], dtype=np.float64)
    bad = np.array([is_bad for _, is_bad in outcomes])
    pairs = [(one, other) for one, worse in outcomes if worse for other, also in outcomes if not also]
    if not pairs:
        with pytest.raises(ValueError, match="both kinds"):
            area_under_curve(scores, bad)
        return

    area = area_under_curve(scores, bad)

    assert area == pytest.approx(sum((one < other) + (one == other) / 2 for one, other in pairs) / len(pairs))


@given(st.lists(st.tuples(SCORES, st.floats(0, 0.99), SCORES, st.floats(0, 0.99)), min_size=1, max_size=40))
def test_portions_add_up_to_the_whole(people: list[tuple[float, float, float, float]]) -> None:
    comparison = Comparison(BANDS, BANDS)
    for first in range(0, len(people), 7):
        columns = np.array(people[first : first + 7]).T
        names = [f"customer:{first + place}" for place in range(columns.shape[1])]
        comparison.add(names, Reading(columns[0], columns[1], columns[0]), Reading(columns[2], columns[3], columns[2]))

    assert comparison.persons == len(people)
    assert comparison.changed == sum(BANDS.name(a, b) != BANDS.name(c, d) for a, b, c, d in people)
    assert comparison.matrix.shape == (len(BANDS.names), len(BANDS.names))
    farthest = sorted((abs(other - one) for one, _, other, _ in people if one != other), reverse=True)[:MOVERS_MAX]
    assert [mover.distance for mover in comparison.movers] == farthest
    assert comparison.distance == pytest.approx(sum(abs(other - one) for one, _, other, _ in people))


def test_models_with_other_bands_are_compared_by_the_names_of_these() -> None:
    halves = Bands.of({"poor": 0, "fair": 50})
    score, confidence = np.array([10.0, 45.0, 55.0, 90.0, 50.0]), np.array([0.5, 0.5, 0.5, 0.5, 0.0])
    read = Reading(score, confidence, score)
    comparison = Comparison(BANDS, halves)

    comparison.add([f"customer:{number}" for number in range(5)], read, read)

    assert comparison.matrix.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1]]
    assert comparison.changed == 3, "one is fair in both and one unknown; the others have another name"
