"""Learning from made-up customers whose outcomes follow weights that we chose."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import pytest

from services.commands.fitting.fit import Learned, Told, learn, scores_of
from services.commands.fitting.judging import Judged, findings, judge
from services.commands.fitting.model_text import model_text
from services.commands.fitting.optimiser import Optimiser
from services.commands.outcomes import Outcome
from services.core.dimensions import Leaf
from services.core.facts import NO_FACTS
from services.core.instants import EPOCH
from services.core.lived import History
from services.core.tallies import fold
from services.infra.catalogue.model_file import read_model
from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import ConfigurationError
from tests.reference.scoring import Event, Model, score, state

OURS = load_catalogue()
HOUR = 490_000
FELT = {
    "order.completed": (400_000, 400_000),
    "delivery.damaged": (-900_000, -900_000),
    "payment.failed": (-700_000, -700_000),
    "web.error_shown": (-500_000, -500_000),
    "survey.csat": (-1_000_000, 1_000_000),
}
"""Between what each touchpoint feels like."""
PLANTED = {
    "order.completed": 1.0,
    "delivery.damaged": 0.3,
    "payment.failed": 8.0,
    "web.error_shown": 0.0,
    "survey.csat": 2.0,
}
"""Unlike the catalogue's: a failed payment is the worst, a damaged parcel next to nothing."""

Risk = Callable[[Sequence[Event], int], float]


class World(NamedTuple):
    told: Told
    planted: Sequence[float]
    """The score by the weights that were planted."""


def by_planted_weights(life: Sequence[Event], at: int) -> float:
    read = score(state(life), Model(PLANTED), at).score
    return (100 - read) / 100


def world(risk: Risk, *, people: int = 600, seed: int = 1, names: Sequence[str] = tuple(FELT)) -> World:
    """Customers with up to six events each before their outcome, the outcomes one after another."""
    random = Random(seed)
    leaves = [Leaf(name, "any", "") for name in names]
    rows, outcomes, planted = [], [], []
    for owner in range(people):
        at = HOUR + owner
        life = []
        for _ in range(random.randrange(1, 7)):
            leaf = random.randrange(len(names))
            low, high = FELT[names[leaf]]
            life.append(Event(leaves[leaf], at - random.randrange(1, 1500), random.randint(low, high)))
            rows.append((owner, leaf, *life[-1][1:]))
        outcomes.append(
            Outcome(
                f"customer:{owner}", EPOCH + timedelta(hours=at), bad=random.random() < risk(life, at), line=owner + 2
            )
        )
        planted.append(score(state(life), Model(PLANTED), at).score)
    owner_, leaf_, hour, v, q = np.array(rows, dtype=np.int64).T
    tallies = fold(owner=owner_, leaf=leaf_, hour=hour, v=v, q=q)
    history = History(tallies, leaves, NO_FACTS, np.arange(HOUR, HOUR + people))
    return World(Told(outcomes, history), planted)


@pytest.fixture(scope="module")
def planted() -> tuple[World, Learned, Judged]:
    made = world(by_planted_weights, people=3000)
    learned = learn(made.told, catalogue=OURS, optimiser=Optimiser())
    return made, learned, judge(made.told, learned, catalogue=OURS)


def test_weights_that_made_the_outcomes_are_found_again(planted: tuple[World, Learned, Judged]) -> None:
    made, learned, judged = planted
    later = learned.split.later

    weights = learned.numbers.weights
    mine = scores_of(made.told.history, learned.catalogue)
    order = np.corrcoef(mine[later], np.array(made.planted)[later])[0, 1]
    assert order > 0.97
    assert weights["payment.failed"] > 4 * weights["delivery.damaged"]
    assert weights["web.error_shown"] < 0.3 * weights["order.completed"]
    assert judged.gained.low > 0


def test_the_form_of_the_score_comes_within_a_hundredth_of_a_free_fit(planted: tuple[World, Learned, Judged]) -> None:
    _, learned, judged = planted

    assert judged.missed.value <= 0.01
    assert any("costs nothing" in line for line in findings(judged, learned.unbound.against))


def test_probabilities_never_rise_with_the_score_and_are_true(planted: tuple[World, Learned, Judged]) -> None:
    _, learned, judged = planted

    calibration = learned.catalogue.calibration
    assert calibration is not None
    risks = [calibration.at(score) for score in np.linspace(0, 100, 400)]
    assert risks == sorted(risks, reverse=True)
    assert judged.trueness.error <= max(0.02, 2 * judged.trueness.by_chance)


def test_the_file_says_what_was_learned(planted: tuple[World, Learned, Judged], tmp_path: Path) -> None:
    _, learned, _ = planted
    text = model_text(learned, name="may", made_at="2026-06-01T00:00:00Z", provenance={"by": "a test"})
    path = tmp_path / "may.yaml"
    path.write_text(text, encoding="utf-8")

    model = read_model(path, catalogue=OURS)

    assert model.version == learned.catalogue.model_version
    assert model.catalogue.calibration == learned.catalogue.calibration


def test_nothing_of_the_later_outcomes_is_learned() -> None:
    """The later outcomes turned around teach the same numbers, to the last bit."""
    made = world(by_planted_weights)
    cut = int(len(made.told.outcomes) * 0.7)
    turned = [*made.told.outcomes[:cut], *(replace_bad(one) for one in made.told.outcomes[cut:])]

    one = learn(made.told, catalogue=OURS, optimiser=Optimiser())
    other = learn(Told(turned, made.told.history), catalogue=OURS, optimiser=Optimiser())

    assert (one.numbers, one.catalogue.calibration) == (other.numbers, other.catalogue.calibration)
    assert not (one.unbound.free != other.unbound.free).any()


def replace_bad(outcome: Outcome) -> Outcome:
    return outcome._replace(bad=not outcome.bad)


def test_a_good_thing_that_foretells_bad_outcomes_weighs_nothing_and_is_told() -> None:
    """Orders are good; here whoever orders is worse off. No weight may be negative, so the form falls short and says why."""

    def risk(life: Sequence[Event], _: int) -> float:
        orders = sum(event.leaf[0] == "order.completed" for event in life)
        return 1 / (1 + math.exp(1.5 - 0.9 * orders))

    made = world(risk, people=1200)
    learned = learn(made.told, catalogue=OURS, optimiser=Optimiser())
    judged = judge(made.told, learned, catalogue=OURS)

    lines = findings(judged, learned.unbound.against)
    assert learned.numbers.weights["order.completed"] == 0
    assert min(learned.numbers.weights.values()) == 0
    assert judged.missed.value > 0.01
    assert any("good order.completed (more risk)" in line for line in lines)


def test_outcomes_of_pure_chance_are_said_to_be_that() -> None:
    made = world(lambda _, __: 0.3)

    learned = learn(made.told, catalogue=OURS, optimiser=Optimiser())

    judged = judge(made.told, learned, catalogue=OURS)
    lines = findings(judged, learned.unbound.against)
    assert not judged.gained.low > 0
    assert any(line.startswith(("No better than the catalogue", "Worse than")) for line in lines)
    assert any("cannot be told from chance" in line for line in lines)


def test_a_share_that_moved_is_named_as_why_probabilities_are_off() -> None:
    made = world(lambda life, at: by_planted_weights(life, at) * (1.0 if at < HOUR + 420 else 0.3))

    learned = learn(made.told, catalogue=OURS, optimiser=Optimiser())

    judged = judge(made.told, learned, catalogue=OURS)
    lines = findings(judged, learned.unbound.against)
    assert judged.trueness.error > 0.02
    assert any("were told to be bad and" in line for line in lines)


def test_too_few_outcomes_of_a_kind_on_either_side_are_refused() -> None:
    made = world(lambda _, at: 1.0 if at < HOUR + 15 else 0.0, people=300)

    with pytest.raises(ConfigurationError, match=r"before .*, 15 outcomes are bad, and 20 are needed; add outcomes"):
        learn(made.told, catalogue=OURS, optimiser=Optimiser())
