"""A model's scales and calibration keep the score's guarantees; where there are none, nothing is different."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.catalogue import Catalogue
from services.core.dimensions import Leaf, Leaves
from services.core.facts import NO_FACTS, STATES, Fact, Facts, PersonFacts
from services.core.instants import HOUR_US
from services.core.promise_kinds import PromiseKind, PromiseKinds
from services.core.scoring import read, read_each
from services.core.tallies import MICRO, Tallies, fold, merge
from services.core.valence import (
    NPS,
    Conditional,
    Const,
    Kept,
    Late,
    NoValence,
    Per,
    Resolved,
    Scale,
    Sentiment,
    Wait,
    reach,
)
from services.core.weighing import Calibration, Stretch, stretch
from services.infra.catalogue.reading import load_catalogue

OURS = load_catalogue()
NOW = 500_000
TRIPLES = [("delivery.damaged", "any", ""), ("order.completed", "web", ""), ("survey.csat", "survey", "")]

FELT = st.tuples(
    st.integers(0, 2),
    st.integers(NOW - 400, NOW),
    st.integers(-MICRO, MICRO),
    st.sampled_from([0, 1, MICRO, 2 * MICRO]),
)
SCALES = st.floats(0.01, 10)


def tallied(events: list[tuple[int, int, int, int]], owner: int = 0) -> Tallies:
    columns = np.array(events, dtype=np.int64).reshape(-1, 4).T
    leaf, hour, v, q = columns
    return fold(owner=np.full(len(events), owner, dtype=np.int64), leaf=leaf, hour=hour, v=v, q=q)


def score(tallies: Tallies, catalogue: Catalogue, at_hour: int = NOW) -> tuple[float, float]:
    [reading] = read(
        tallies,
        facts=NO_FACTS,
        owners=1,
        leaves=Leaves.of(catalogue, TRIPLES),
        at_hour=at_hour,
        parameters=catalogue.parameters,
        windows_h=[None],
    )
    return float(reading.score[0]), float(reading.confidence[0])


def stretched(scale: float) -> Catalogue:
    entries = {name: OURS.entries[name].valence for name, _, _ in TRIPLES}
    return replace(OURS, stretches={name: stretch(scale, valence) for name, valence in entries.items()})


@given(st.lists(FELT, max_size=12), FELT, SCALES)
def test_under_any_scale_good_never_lowers_and_bad_never_raises(
    events: list[tuple[int, int, int, int]], more: tuple[int, int, int, int], scale: float
) -> None:
    catalogue = stretched(scale)

    (before, seen), (after, seen_after) = score(tallied(events), catalogue), score(tallied([*events, more]), catalogue)

    v, q = more[2:]
    assert 0 < after < 100
    assert seen_after >= seen
    if v >= 0:
        assert after >= before
    if v <= 0:
        assert after <= before
    if not q:
        assert (after, seen_after) == (before, seen)


@given(st.lists(FELT, min_size=1, max_size=12))
def test_scales_of_one_are_bit_equal_to_none(events: list[tuple[int, int, int, int]]) -> None:
    ones = replace(OURS, stretches={"survey.csat": Stretch(1.0, 1.0)})

    assert score(tallied(events), ones) == score(tallied(events), OURS)


@given(st.floats(0.01, 1), st.integers(-MICRO, MICRO))
def test_a_scale_is_as_if_the_event_had_felt_so(scale: float, v: int) -> None:
    scaled = score(tallied([(2, NOW, v, MICRO)]), stretched(scale))

    assert scaled[0] == pytest.approx(score(tallied([(2, NOW, round(v * scale), MICRO)]), OURS)[0], abs=1e-3)


@pytest.mark.parametrize(
    ("valence", "ends"),
    [
        (Const(-0.4), (0, 0.4)),
        (Const(0.3), (0.3, 0)),
        (Conditional(0.05, "results", 0.0, -0.4), (0.05, 0.4)),
        (Wait(1, 2), (0.3, 1)),
        (Late(None), (0.3, 1)),
        (Kept(Late("promised_at")), (0.3, 0.2)),
        (Resolved(Wait(1, 2), 0.3), (0.6, 1)),
        (Per("hops", -0.3, -0.9), (0, 0.9)),
        (Per("hops", 0.3, 0.0), (1, 0)),
        (Scale(NPS), (1, 1)),
        (Sentiment(), (1, 1)),
        (NoValence(), (1, 1)),
    ],
)
def test_a_valence_tells_how_far_it_reaches(valence: Const, ends: tuple[float, float]) -> None:
    assert reach(valence) == pytest.approx(ends)


@given(st.lists(st.lists(FELT, max_size=6), min_size=1, max_size=4), st.data())
def test_everybody_at_an_hour_of_their_own_is_read_as_alone(
    histories: list[list[tuple[int, int, int, int]]], data: st.DataObject
) -> None:
    hours = data.draw(st.lists(st.integers(NOW - 500, NOW), min_size=len(histories), max_size=len(histories)))
    together = merge([tallied(events, owner) for owner, events in enumerate(histories)])

    [reading] = read_each(
        together,
        facts=NO_FACTS,
        leaves=Leaves.of(OURS, TRIPLES),
        at_hours=np.array(hours, dtype=np.int64),
        parameters=OURS.parameters,
        windows_h=[None],
    )

    alone = [score(tallied(events), OURS, at_hour=hour) for events, hour in zip(histories, hours, strict=True)]
    assert list(zip(reading.score.tolist(), reading.confidence.tolist(), strict=True)) == alone


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1)), min_size=1, max_size=8, unique_by=lambda knot: knot[0]),
    st.floats(0, 100),
    st.floats(0, 100),
)
def test_a_better_score_is_never_the_greater_risk(knots: list[tuple[float, float]], one: float, other: float) -> None:
    scores = tuple(sorted(score for score, _ in knots))
    risks = tuple(sorted((risk for _, risk in knots), reverse=True))
    calibration = Calibration(scores, risks)

    low, high = calibration.at(min(one, other)), calibration.at(max(one, other))

    assert risks[0] >= low >= high >= risks[-1]
    assert [calibration.at(score) for score in scores] == pytest.approx(risks)


def test_a_model_weighs_the_same_on_every_catalogue() -> None:
    """Also on one that lacks touchpoints of it, or has others: they weigh as the model says, or as undeclared ones."""
    weighing = replace(OURS.weighing, weights={"order.completed": 2.0, "workshop.attended": 5.0})
    older = replace(OURS, entries={"order.completed": OURS.entries["order.completed"]})

    for catalogue in (OURS, older):
        weighed = catalogue.weighed_by(weighing)
        weights = {name: weighed.entry(name).weight for name in ("order.completed", "workshop.attended", "survey.csat")}
        assert weights == {"order.completed": 2.0, "workshop.attended": 5.0, "survey.csat": 0.1}
        assert weighed.model_version == OURS.model_version


def overdue(hours: int) -> PersonFacts:
    """An order whose pickup should have been ready so many hours ago."""
    stated = Fact(
        identity=1,
        kind="pickup",
        key="order/1",
        part="",
        role=STATES,
        source="shop",
        event_id="e",
        occurred_us=(NOW - hours - 9) * HOUR_US,
        received_hour=NOW - hours - 9,
        due_us=(NOW - hours) * HOUR_US,
        v=0,
        q=MICRO,
        leaf=Leaf("order.completed", "web", ""),
    )
    return PersonFacts([1], [stated])


PROMISING = replace(
    OURS,
    promises=PromiseKinds(
        {
            "pickup": PromiseKind(
                name="pickup",
                shares="pickup",
                key="order",
                due="promised_at",
                states=("order.completed",),
                keeps=("pos.pickup_ready",),
                missed="survey.csat",
                felt=Late(None),
            )
        }
    ),
)
"""A catalogue with one promise; what it is missed by stands for any touchpoint."""

FACT_TRIPLES = [*TRIPLES, ("survey.csat", "web", "")]


def promised(people: dict[int, PersonFacts], at_hours: list[int], catalogue: Catalogue) -> list[float]:
    [reading] = read_each(
        merge([tallied([(1, NOW - 30, 400_000, MICRO)], owner) for owner in range(len(at_hours))]),
        facts=Facts(people),
        leaves=Leaves.of(catalogue, sorted(FACT_TRIPLES)),
        at_hours=np.array(at_hours, dtype=np.int64),
        parameters=catalogue.parameters,
        windows_h=[None],
    )
    scores: list[float] = reading.score.tolist()
    return scores


def test_what_a_promise_makes_felt_is_scaled_as_its_touchpoint_is() -> None:
    by_scale = [
        promised({0: overdue(40)}, [NOW], replace(PROMISING, stretches={"survey.csat": Stretch(1.0, bad)}))[0]
        for bad in (0.1, 0.5, 1.0, 1.5, 5.0, 9.0)
    ]

    assert by_scale[2] == promised({0: overdue(40)}, [NOW], PROMISING)[0]
    assert by_scale == sorted(by_scale, reverse=True)
    assert by_scale[0] > by_scale[2] > by_scale[3] > by_scale[4]
    assert by_scale[4] == by_scale[5], "each is felt whole by now"


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 200)), min_size=1, max_size=4))
def test_promises_at_an_hour_of_their_own_are_read_as_alone(people: list[tuple[int, int]]) -> None:
    facts = {owner: overdue(hours) for owner, (hours, _) in enumerate(people)}
    hours = [NOW - before for _, before in people]

    together = promised(facts, hours, PROMISING)

    assert together == [promised({0: facts[owner]}, [hours[owner]], PROMISING)[0] for owner in facts]
