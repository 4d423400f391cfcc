"""What moved a score: two receipts leaf by leaf, which add up to the change, each leaf by what its own events did."""

from __future__ import annotations

from dataclasses import replace
from math import fsum
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.change import PERIODS, Move, Moves, read_changes, read_moves
from services.core.dimensions import Leaf, Leaves
from services.core.facts import KEEPS, NO_FACTS, STATES, Fact, Facts, PersonFacts
from services.core.instants import HOUR_US
from services.core.promise_kinds import PromiseKind, PromiseKinds
from services.core.scoring import read
from services.core.tallies import HOURS_KEPT, MICRO, fold
from services.core.valence import Late
from services.infra.catalogue.reading import load_catalogue
from tests.reference.scoring import Event
from tests.unit.core import told_histories
from tests.unit.core.histories import LEAVES, MODELS, NOW, WEEK, Person, Situation, situations

EXACT = 1e-9
PARTS = ("came", "faded", "fell_out")


def sums(moves: Moves) -> dict[str, float]:
    """Every column of points, summed over the leaves."""
    lines = [*moves.leaves, moves.others]
    return {name: fsum(getattr(line, name) for line in lines) for name in (*PARTS, "before", "after", "diluted")}


@given(situations)
def test_what_moved_a_score_adds_up_to_the_change_leaf_by_leaf(situation: Situation) -> None:
    person, hours = situation.person, situation.window_h or WEEK

    moves = person.moves(hours)

    total = sums(moves)
    prior = 100 * person.model.p
    assert moves.score == person.read().score
    assert moves.score_before == person.later(-hours).read().score
    assert moves.change == person.change(hours)
    assert abs(total["after"] - (moves.score - prior)) < EXACT
    assert abs(total["before"] - (moves.score_before - prior)) < EXACT
    assert abs(total["diluted"]) < EXACT
    for name in PARTS:
        assert abs(total[name] - getattr(moves.change, name)) < EXACT
    for line in moves.leaves:
        assert abs(line.after - line.before - (line.moved + line.diluted)) < EXACT


@given(situations)
def test_both_ends_of_a_change_are_the_receipts_of_their_hours(situation: Situation) -> None:
    person, hours = situation.person, situation.window_h or WEEK

    moves = person.moves(hours)

    for end, points, events in ((person, "after", None), (person.later(-hours), "before", "events_before")):
        told = {line.leaf: line for line in end.receipt().leaves}
        for line in moves.leaves:
            expected = told.pop(line.leaf, None)
            assert abs(getattr(line, points) - (expected.points if expected else 0)) < EXACT
            assert events is None or getattr(line, events) == (expected.events if expected else 0)
        assert not told


@given(situations)
def test_what_came_has_the_sign_of_what_was_felt_and_what_goes_the_other(situation: Situation) -> None:
    person, hours = situation.person, situation.window_h or WEEK
    felt: dict[int, set[bool]] = {}
    for event in person.history:
        if event.q and event.v:
            felt.setdefault(LEAVES.index(event.leaf), set()).add(event.v > 0)

    moves = person.moves(hours)

    for line in moves.leaves:
        if felt.get(line.leaf, set()) == {True}:
            assert line.came >= 0 >= max(line.faded, line.fell_out)
        if felt.get(line.leaf, set()) == {False}:
            assert line.came <= 0 <= min(line.faded, line.fell_out)
        if not line.events:
            assert line.came == 0
        if not line.events_before:
            assert (line.faded, line.fell_out) == (0, 0)


@given(situations, st.integers(0, 4))
def test_leaves_that_are_not_shown_are_told_as_one(situation: Situation, leaves_max: int) -> None:
    person = situation.person

    whole, short = person.moves(), person.moves(leaves_max=leaves_max)

    assert short.leaves == whole.leaves[:leaves_max]
    assert short.others.leaf == len(whole.leaves[leaves_max:])
    assert short.others.events == sum(line.events for line in whole.leaves[leaves_max:])
    assert abs(sums(short)["came"] - sums(whole)["came"]) < EXACT
    sizes = [abs(line.moved) for line in whole.leaves]
    assert sizes == sorted(sizes, reverse=True)


@given(situations)
def test_periods_read_together_are_those_read_alone(situation: Situation) -> None:
    person = situation.person
    alone = [person.change(hours) for hours in PERIODS.values()]

    assert person.changes([*PERIODS.values()]) == alone


def test_what_becomes_too_old_to_count_falls_out() -> None:
    # Half of the weight in ten thousand days: what is old still matters.
    lasting = replace(MODELS[0], h=10_000.0)
    old = Event(LEAVES[20], NOW - HOURS_KEPT, -MICRO)
    person = Person([old, old._replace(leaf=LEAVES[0], hour=NOW - 100)], lasting)

    moves = person.moves()

    (line, *_) = moves.leaves
    assert line.leaf == LEAVES.index(old.leaf)
    assert (line.came, line.faded, line.events, line.events_before) == (0, 0, 0, 1)
    assert line.fell_out > 10
    assert abs(moves.change.fell_out - line.fell_out) < EXACT
    assert moves.change.came < 0


PICKUP = PromiseKind(
    name="pickup",
    shares="pickup",
    key="order",
    due="promised_at",
    states=("order.completed",),
    keeps=("pos.pickup_ready",),
    missed="survey.csat",
    felt=Late(None),
)
PROMISING = replace(load_catalogue(), promises=PromiseKinds({"pickup": PICKUP}))
"""A catalogue with one promise; what it is missed by stands for any touchpoint."""

TRIPLES = sorted([("order.completed", "web", ""), ("pos.pickup_ready", "pos", ""), ("survey.csat", "survey", "")])


def facts_of(due_h: int, kept_h: int | None) -> Facts:
    """An order to be ready at an hour, and perhaps ready at another."""
    stated = Fact(
        identity=1,
        kind="pickup",
        key="order/1",
        part="",
        role=STATES,
        source="shop",
        event_id="e",
        occurred_us=(due_h - 9) * HOUR_US,
        received_hour=due_h - 9,
        due_us=due_h * HOUR_US,
        v=0,
        q=MICRO,
        leaf=Leaf("order.completed", "web", ""),
    )
    facts = [stated]
    if kept_h is not None:
        leaf = Leaf("pos.pickup_ready", "pos", "")
        facts.append(stated._replace(role=KEEPS, event_id="k", occurred_us=kept_h * HOUR_US, due_us=None, leaf=leaf))
    return Facts({0: PersonFacts([1], facts)})


@pytest.mark.parametrize("hours", PERIODS.values())
@given(st.integers(1, 700), st.none() | st.integers(0, 700), st.lists(st.integers(0, 800), max_size=4))
def test_a_change_by_a_promise_adds_up_as_well(
    hours: int, overdue_h: int, kept_after_h: int | None, ages: list[int]
) -> None:
    due_h = NOW - overdue_h
    kept_h = None if kept_after_h is None else min(NOW, due_h + kept_after_h)
    count = len(ages)
    tallies = fold(
        owner=np.zeros(count, dtype=np.int64),
        leaf=np.zeros(count, dtype=np.int64),
        hour=NOW - np.array(ages, dtype=np.int64),
        v=np.full(count, 400_000, dtype=np.int64),
        q=np.full(count, MICRO, dtype=np.int64),
    )
    leaves = Leaves.of(PROMISING, TRIPLES)
    facts = facts_of(due_h, kept_h)

    moves = read_moves(tallies, facts=facts, leaves=leaves, at_hour=NOW, hours=hours, parameters=PROMISING.parameters)

    total = sums(moves)
    scores = [
        read(
            tallies,
            facts=facts,
            owners=1,
            leaves=leaves,
            at_hour=at,
            parameters=PROMISING.parameters,
            windows_h=[None],
        )[0].score[0]
        for at in (NOW - hours, NOW)
    ]
    assert abs(moves.change.points - (scores[1] - scores[0])) < EXACT
    for name in PARTS:
        assert abs(total[name] - getattr(moves.change, name)) < EXACT
    missed = [line for line in moves.leaves if leaves.triples[line.leaf].touchpoint == "survey.csat"]
    if kept_h is None and overdue_h < hours:
        assert [line.came < 0 for line in missed] == [True], "a promise that fell due within the period came in it"


@settings(max_examples=told_histories.TRIED)
@given(told_histories.randoms)
def test_whatever_was_promised_told_and_recovered_a_change_adds_up(random: Random) -> None:
    person, hours = told_histories.person_of(random), random.choice([*PERIODS.values()])

    moves = person.moves(hours)

    total = sums(moves)
    assert moves.change == person.change(hours)
    assert moves.score == person.read(None).score
    assert moves.score_before == person.later(-hours).read(None).score
    assert abs(total["diluted"]) < EXACT
    for name in PARTS:
        assert abs(total[name] - getattr(moves.change, name)) < EXACT


def test_a_change_of_nobody_is_none() -> None:
    nobody = fold(**{name: np.empty(0, dtype=np.int64) for name in ("owner", "leaf", "hour", "v", "q")})
    leaves, parameters = Leaves.of(PROMISING, TRIPLES), PROMISING.parameters

    changes = read_changes(
        nobody, facts=NO_FACTS, leaves=leaves, at_hour=NOW, periods_h=[*PERIODS.values()], parameters=parameters
    )
    moves = read_moves(nobody, facts=NO_FACTS, leaves=leaves, at_hour=NOW, hours=WEEK, parameters=parameters)

    assert [change.points for change in changes] == [0, 0, 0]
    assert (moves.leaves, moves.others) == ([], Move(0, 0, 0, 0, 0, 0, 0, 0, 0))
