"""What a fit goes down by: its slope is that of its height, and no place in its space breaks what a score promises."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.weighing import PARAMETER_BOUNDS, WEIGHT_MAX
from services.core.dimensions import Leaf
from services.core.facts import NO_FACTS
from services.core.learning import (
    KAPPA_BOUNDS,
    SCALE_BOUNDS,
    WEIGHT_MOST,
    BetaForm,
    Logistic,
    evidence_columns,
    prior_of,
)
from services.core.lived import History, Lived, lived
from services.core.tallies import fold
from services.infra.catalogue.model_file import SCALE_LEAST, SCALE_MOST
from services.infra.catalogue.reading import load_catalogue

OURS = load_catalogue()
NAMES = ("order.completed", "delivery.damaged", "survey.csat", "delivery.delivered", "call.answered", "x.own")
HOUR = 500_000
PEOPLE = 60


def people(seed: int) -> tuple[Lived, NDArray[np.bool_]]:
    random = Random(seed)
    rows = [
        (owner, random.randrange(len(NAMES)), HOUR - random.randrange(2000), random.randint(-(10**6), 10**6), 10**6)
        for owner in range(PEOPLE)
        for _ in range(random.randrange(9))
    ]
    owner, leaf, hour, v, q = np.array(rows, dtype=np.int64).T
    tallies = fold(owner=owner, leaf=leaf, hour=hour, v=v, q=q)
    history = History(tallies, [Leaf(name, "any", "") for name in NAMES], NO_FACTS, np.full(PEOPLE, HOUR))
    return lived(history, catalogue=OURS), np.array([random.random() < 0.4 for _ in range(PEOPLE)])


Function = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]


def stepped(function: Function, place: NDArray[np.float64]) -> list[float]:
    """The slope, by small steps on either side."""
    steps = 1e-6 * np.eye(len(place))
    return [(function(place + step)[0] - function(place - step)[0]) / 2e-6 for step in steps]


@pytest.mark.parametrize("seed", range(5))
def test_the_slope_of_a_fit_is_that_of_its_height(seed: int) -> None:
    whole, bad = people(seed)
    form = BetaForm(whole, bad, prior_of(OURS, whole), strength=2.0)
    random = Random(seed)
    # Within the room that scales have before they are held back, where the height has no corner.
    place = form.start * np.array([random.uniform(0.3, 0.9) for _ in form.start])
    place[-6:-3] = [random.uniform(-1, -0.1) for _ in range(3)]

    assert form(place)[1].tolist() == pytest.approx(stepped(form, place), rel=1e-4, abs=1e-7)


def test_the_slope_of_a_free_fit_is_that_of_its_height() -> None:
    whole, bad = people(9)
    columns = np.concatenate(evidence_columns(whole, OURS.parameters), axis=1)
    form = Logistic(columns, bad, bounds=[(None, None)] * columns.shape[1], strength=1.5)
    place = np.linspace(-1, 1, len(form.start))

    assert form(place)[1].tolist() == pytest.approx(stepped(form, place), rel=1e-4, abs=1e-7)


def test_only_what_was_felt_and_is_declared_is_learned_and_a_constant_is_not_scaled() -> None:
    whole, _ = people(3)

    prior = prior_of(OURS, whole)

    learned = {name for name, is_learned in zip(prior.names, prior.learned, strict=True) if is_learned}
    scaled = {name for name, is_scaled in zip(prior.names, prior.scaled, strict=True) if is_scaled}
    assert learned == set(NAMES) - {"x.own"}
    assert scaled == {"survey.csat", "delivery.delivered", "call.answered"}


def test_every_weight_stays_at_zero_or_above_and_no_better_score_is_a_greater_risk() -> None:
    whole, bad = people(4)
    form = BetaForm(whole, bad, prior_of(OURS, whole), strength=1.0)

    learned = form.fitted(np.array([low if low is not None else 0.0 for low, _ in form.bounds]))

    assert (learned.weights >= 0).all()
    assert learned.slope > 0
    assert learned.kappa > 0


def test_whatever_is_learned_a_models_file_may_say() -> None:
    kappa = PARAMETER_BOUNDS["kappa"]

    assert kappa[0] <= KAPPA_BOUNDS[0] < OURS.parameters.kappa < KAPPA_BOUNDS[1] <= kappa[1]
    assert SCALE_LEAST <= SCALE_BOUNDS[0] < 1 < SCALE_BOUNDS[1] <= SCALE_MOST
    assert WEIGHT_MOST <= WEIGHT_MAX
