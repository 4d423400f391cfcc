"""What figures look like in answers: rounded once, and still adding up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.score import DIGITS, Cell, parts_as_told

UNIT = 10.0**-DIGITS
POINTS = st.lists(st.floats(-50, 50), max_size=40)


@pytest.mark.parametrize("leaves", [1, 5, 100, 20_000])
def test_points_add_up_however_many_leaves_share_them(leaves: int) -> None:
    # Of equal leaves every rounding goes the same way: 100 of them were 4e-8 off, 20,000 were 7e-6.
    points = [-12.3456789014 / leaves - 4e-10] * leaves
    score = 50 + math.fsum(points)

    told = parts_as_told(50, points)

    assert 50 + math.fsum(told) == pytest.approx(Cell(score=score, confidence=0).score, abs=1e-8)


@given(st.floats(0, 100), POINTS)
def test_told_parts_add_up_keep_their_sign_and_move_by_less_than_the_last_digit(
    start: float, points: list[float]
) -> None:
    told = parts_as_told(start, points)

    assert round(start, DIGITS) + math.fsum(told) == pytest.approx(start + math.fsum(points), abs=1e-8)
    assert all(abs(mine - exact) < 1.01 * UNIT for mine, exact in zip(told, points, strict=True))
    assert all(mine * exact >= 0 for mine, exact in zip(told, points, strict=True))
    assert told == [round(each, DIGITS) for each in told]


def test_a_figure_that_is_whole_is_told_whole() -> None:
    assert repr(Cell(score=60.00000000000001, confidence=0).score) == "60.0"
    assert repr(Cell(score=-0.0, confidence=0).score) == "0.0"
