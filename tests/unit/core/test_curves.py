"""The golden points of the valence curves, to a millionth."""

from __future__ import annotations

import pytest

from services.core.valence import Felt, Late, ScalePoints, Wait, rated


@pytest.mark.parametrize(
    ("answer", "v"), list(enumerate([-1, -0.883333, -0.766667, -0.65, -0.533333, -0.416667, -0.3, 0, 0.2, 0.7, 1]))
)
def test_nps_follows_its_knots(answer: int, v: float) -> None:
    felt = rated("nps", answer)

    assert isinstance(felt, Felt)
    assert felt.v == pytest.approx(v, abs=1e-6)


@pytest.mark.parametrize(
    ("seconds", "v"),
    [(20, 0.3), (60, 0.116056), (120, 0), (180, -0.384615), (240, -0.6), (420, -0.849057), (900, -0.965066), (0, 0.3)],
)
def test_waiting_pleases_up_to_what_is_desired_and_annoys_past_what_is_adequate(seconds: float, v: float) -> None:
    assert Wait(20, 120).at(seconds) == pytest.approx(v, abs=1e-6)


@pytest.mark.parametrize(
    ("hours", "v"),
    [
        (-48, 0.189636),
        (0, 0),
        (6, -0.117503),
        (24, -0.393469),
        (48, -0.632121),
        (60, -0.713495),
        (120, -0.917915),
        (-1e308, 0.3),
        (1e308, -1),
    ],
)
def test_early_pleases_a_little_and_late_annoys_a_lot(hours: float, v: float) -> None:
    assert Late.at(hours) == pytest.approx(v, abs=1e-6)


@pytest.mark.parametrize(
    ("scale", "value", "v"),
    [
        ("csat5", 1, -1),
        ("csat5", 4, 0.5),
        ("stars5", 5, 1),
        ("stars5", 2.5, -0.25),
        ("ces7", 7, 1),
        ("ces7", 2, -2 / 3),
        ("smiley4", 4, 1),
        ("smiley4", 2, -1 / 3),
        ("percent", 75, 0.5),
        ((0.0, 1.0, 11.0), 6, 0.5),
        ((0.0, 1.0, 11.0), 0.5, -0.5),
    ],
)
def test_a_scale_is_linear_on_each_side_of_its_middle(scale: str | ScalePoints, value: float, v: float) -> None:
    felt = rated(scale, value)

    assert isinstance(felt, Felt)
    assert felt.v == pytest.approx(v)
