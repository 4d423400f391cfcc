"""Falls are read as a plain second reading has them, and alerts live as SCORING section 4 says, whatever happens."""

from __future__ import annotations

from itertools import accumulate
from math import fsum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.alerts import CRITICAL, DROP, Course, Happening, Held, alert_id, cools, looked, opened
from services.core.dimensions import Leaf, Leaves
from services.core.drops import (
    Fall,
    is_answer,
    may_have_fallen,
    read_fall_together,
    read_falls,
    read_falls_with_answers,
    read_reasons,
)
from services.core.facts import NO_FACTS
from services.core.tallies import MICRO, Tallies, merge
from services.core.thresholds import SENSITIVE, USUAL, Thresholds
from services.infra.catalogue.reading import load_catalogue
from tests.reference import drops as plain
from tests.reference.scoring import Event, Model, state
from tests.unit.core.histories import HISTORY_OCTETS, LEAVES_OF, MODELS, NOW, history_of, parameters_of, tallied

EXACT = 1e-9

histories = st.binary(min_size=HISTORY_OCTETS, max_size=HISTORY_OCTETS).map(history_of)
models = st.sampled_from(MODELS)


def falls_of(tallies: Tallies, model: Model, *, owners: int = 1) -> list[Fall]:
    return read_falls(
        tallies,
        facts=NO_FACTS,
        owners=owners,
        leaves=LEAVES_OF[id(model)],
        at_hour=NOW,
        parameters=parameters_of(model),
    )


@given(histories, models)
def test_a_fall_is_what_the_plain_reading_says(history: list[Event], model: Model) -> None:
    [fall] = falls_of(tallied(history), model)

    assert fall == pytest.approx(plain.fall(state(history), model, NOW), abs=EXACT)


@given(histories, histories, models)
def test_many_are_read_as_each_by_itself(one: list[Event], other: list[Event], model: Model) -> None:
    together = merge([tallied(one), tallied(other, owner=1)])

    assert falls_of(together, model, owners=2) == [*falls_of(tallied(one), model), *falls_of(tallied(other), model)]


@given(histories, models, st.sampled_from([USUAL, SENSITIVE]))
def test_nobody_whose_fall_tips_is_passed_over(history: list[Event], model: Model, thresholds: Thresholds) -> None:
    [fall] = falls_of(tallied(history), model)
    [may] = may_have_fallen(
        tallied(history),
        facts=NO_FACTS,
        owners=1,
        leaves=LEAVES_OF[id(model)],
        at_hour=NOW,
        parameters=parameters_of(model),
        thresholds=thresholds,
    )

    assert may or not fall.tips(thresholds)


@given(histories, models)
def test_nothing_bad_of_these_days_never_tips(history: list[Event], model: Model) -> None:
    quiet = [one._replace(v=abs(one.v)) if NOW - 72 < one.hour <= NOW else one for one in history]

    [fall] = falls_of(tallied(quiet), model)

    assert not fall.tips(SENSITIVE)


@given(histories, models)
def test_reasons_add_up_to_the_fall_the_worst_first(history: list[Event], model: Model) -> None:
    [fall] = falls_of(tallied(history), model)

    reasons = read_reasons(
        tallied(history),
        facts=NO_FACTS,
        leaves=LEAVES_OF[id(model)],
        at_hour=NOW,
        parameters=parameters_of(model),
        answers=False,
    )

    points = [one.points for one in reasons]
    assert points == sorted(points)
    assert fsum(points) == pytest.approx(fall.score - fall.before, abs=EXACT)


@given(histories, models)
def test_one_contact_alone_is_read_as_the_person(history: list[Event], model: Model) -> None:
    together = read_fall_together(
        tallied(history),
        facts=NO_FACTS,
        leaves=LEAVES_OF[id(model)],
        at_hour=NOW,
        parameters=parameters_of(model),
        factors=np.ones(1),
    )

    assert [together] == falls_of(tallied(history), model)


def test_what_people_say_when_asked_tells_of_a_fall_and_is_none() -> None:
    catalogue = load_catalogue()
    asked, lost = Leaf("survey.nps", "survey", ""), Leaf("delivery.lost_or_returned", "delivery", "")
    leaves = Leaves.of(catalogue, [lost, asked])
    rows = tallied([Event(lost, NOW, -MICRO), Event(asked, NOW, -MICRO)], numbering=[lost, asked])
    alone = tallied([Event(lost, NOW, -MICRO)], numbering=[lost, asked])

    def read(tallies: Tallies) -> Fall:
        [fall] = read_falls(
            tallies, facts=NO_FACTS, owners=1, leaves=leaves, at_hour=NOW, parameters=catalogue.parameters
        )
        return fall

    [whole] = read_falls_with_answers(
        rows, facts=NO_FACTS, owners=1, leaves=leaves, at_hour=NOW, parameters=catalogue.parameters
    )
    assert is_answer(catalogue.entry("survey.nps"))
    assert read(rows) == read(alone)
    assert whole.score < read(alone).score


scores = st.floats(1, 99)
falls = st.builds(Fall, scores, scores, st.floats(0, 9))
visits = st.lists(st.tuples(st.integers(0, 200), falls), max_size=12)


@given(falls, visits)
def test_an_alert_lives_as_the_plain_reading_says(first: Fall, later: list[tuple[int, Fall]]) -> None:
    hours = [*accumulate([NOW, *(gap for gap, _ in later)])]
    seen = [(hour, plain.Fall(*one)) for hour, one in zip(hours, [first, *(one for _, one in later)], strict=True)]
    course = opened(DROP, first, hour=NOW)

    told: list[tuple[int, str]] = []
    for hour, one in seen[1:]:
        course, happening = looked(course, Fall(*one), hour=hour, thresholds=USUAL, late=False)
        if happening is not None:
            told.append((hour, happening.value))
        if happening is Happening.CLOSED:
            break

    assert told == plain.life(seen, *USUAL)
    assert [what for _, what in told] in ([], ["worsened"], ["closed"], ["worsened", "closed"])


@given(falls, st.integers(0, 13 * 24))
def test_while_nothing_changes_nothing_is_told(first: Fall, hours: int) -> None:
    course = opened(DROP, first._replace(before=first.score + 20), hour=NOW)

    same, happening = looked(
        course, first._replace(before=first.score + 20), hour=NOW + hours, thresholds=USUAL, late=False
    )

    assert happening is None
    assert (same.severity, same.target) == (course.severity, course.target)


def test_what_comes_late_makes_nothing_worse() -> None:
    course = opened(DROP, Fall(60, 40, 3), hour=NOW)

    _, happening = looked(course, Fall(60, 10, 9), hour=NOW + 1, thresholds=USUAL, late=True)

    assert happening is None


@pytest.mark.parametrize(
    ("held", "hours", "expected"),
    [
        (Held(open=True, ended=False), 23, None),
        (Held(open=True, ended=False), 24, Happening.WORSENED),
        (Held(open=False, ended=False), 1, Happening.CLOSED),
        (Held(open=False, ended=True), 24, None),
    ],
)
def test_an_overdue_promise_is_critical_a_day_later_and_its_keeping_closes_at_once(
    held: Held, hours: int, expected: Happening | None
) -> None:
    course = opened("overdue", Fall(60, 40, 3), hour=NOW)

    after, happening = looked(course, Fall(60, 40, 3), hour=NOW + hours, thresholds=USUAL, late=False, promise=held)

    assert happening is expected
    assert (after.severity == CRITICAL) == (expected is Happening.WORSENED)


def test_an_alert_is_named_by_its_cause() -> None:
    assert alert_id("drop", "shop", "1") == alert_id("drop", "shop", "1")
    assert len({alert_id(*parts) for parts in (("drop", "shop", "1"), ("drop", "shop1"), ("drop", "sho", "p1"))}) == 3


def test_after_four_days_another_may_open() -> None:
    assert [cools(NOW, hour=NOW + hours) for hours in (0, 95, 96)] == [True, True, False]


def test_a_course_that_others_wrote_is_only_ever_older() -> None:
    course = Course(DROP, "warning", NOW, 50.0, None, NOW)

    after, happening = looked(course, Fall(60, 40, 3), hour=NOW - 5, thresholds=USUAL, late=False)

    assert (happening, after.fell) == (None, NOW)
