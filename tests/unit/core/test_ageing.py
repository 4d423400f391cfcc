"""A silent score fades no faster than its bound says, so whoever reads it anew in time is never far off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.ageing import fading_hours, fading_points_max
from services.core.catalogue import Parameters
from services.core.dimensions import Leaf, Leaves
from services.core.facts import NO_FACTS
from services.core.scoring import read
from services.core.tallies import fold
from services.infra.catalogue.reading import load_catalogue

CATALOGUE = load_catalogue()
NAMES = sorted(CATALOGUE.entries)[:40]
LEAVES = Leaves.of(CATALOGUE, [Leaf(name, "web", "") for name in NAMES])
NOW = 490_000

events = st.lists(
    st.tuples(
        st.integers(0, len(NAMES) - 1), st.integers(0, 3000), st.integers(-(10**6), 10**6), st.integers(0, 2 * 10**6)
    ),
    min_size=1,
    max_size=60,
)


def score_at(lived: list[tuple[int, int, int, int]], hour: int, parameters: Parameters) -> float:
    leaf, ago, v, q = (np.array(column, dtype=np.int64) for column in zip(*lived, strict=True))
    tallies = fold(owner=np.zeros_like(leaf), leaf=leaf, hour=NOW - ago, v=v, q=q)
    [reading] = read(
        tallies, facts=NO_FACTS, owners=1, leaves=LEAVES, at_hour=hour, parameters=parameters, windows_h=(None,)
    )
    return float(reading.score[0])


@given(events, st.integers(1, 200), st.sampled_from([1.0, 7.0, 30.0, 365.0]), st.sampled_from([0.3, 0.5, 0.7]))
def test_silence_moves_no_score_by_more_than_the_bound(
    lived: list[tuple[int, int, int, int]], hours: int, half_life_days: float, prior: float
) -> None:
    parameters = replace(CATALOGUE.parameters, half_life_days=half_life_days, prior=prior)

    moved = abs(score_at(lived, NOW + hours, parameters) - score_at(lived, NOW, parameters))

    assert moved <= fading_points_max(hours, half_life_days=half_life_days) + 1e-9


def test_the_bound_is_not_far_from_what_happens() -> None:
    parameters = replace(CATALOGUE.parameters, prior=0.99)
    heaviest = max(range(len(NAMES)), key=lambda leaf: CATALOGUE.entries[NAMES[leaf]].weight)
    lived = [(heaviest, 0, -(10**6), 10**6)]

    moved = abs(score_at(lived, NOW + 24, parameters) - score_at(lived, NOW, parameters))

    assert moved > fading_points_max(24, half_life_days=30) / 2


@pytest.mark.parametrize("half_life_days", [1.0, 30.0, 400.0])
def test_so_many_hours_move_it_by_so_much(half_life_days: float) -> None:
    hours = fading_hours(1.0, half_life_days=half_life_days)

    assert fading_points_max(hours, half_life_days=half_life_days) == pytest.approx(1.0)
