"""The laws of the score, each on random histories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.core.dimensions import Leaves
from services.core.facts import NO_FACTS
from services.core.scoring import read
from services.core.tallies import Tallies, merge
from tests.reference.scoring import Event, Leaf, score, state
from tests.reference.scoring import change as change_by_the_book
from tests.unit.core.histories import (
    HOURS_MAX,
    LEAVES,
    MODELS,
    NOW,
    UNSORTED,
    WEEK,
    WINDOWS_H,
    Family,
    Person,
    Situation,
    catalogue_of,
    families,
    histories,
    parameters_of,
    persons,
    shuffled_persons,
    situations,
    tallied,
)

History = Sequence[Event]
VALUE_OF: dict[str, Callable[[Leaf], str]] = {
    "touchpoint": lambda leaf: leaf[0],
    "channel": lambda leaf: leaf[1],
    "stage": lambda leaf: f"stage of {leaf[0]}",
    "place": lambda leaf: leaf[2],
}


def same(one: Tallies, other: Tallies) -> bool:
    return np.array_equal(one.owner, other.owner) and np.array_equal(one.rows, other.rows)


@given(shuffled_persons)
def test_any_order_and_any_grouping_of_events_gives_the_same_state(shuffled_person: tuple[Person, Random]) -> None:
    history, random = shuffled_person[0].history, shuffled_person[1]
    size = random.randint(1, 5)
    shuffled = random.sample(history, len(history))
    chunks = [tallied(shuffled[i : i + size]) for i in range(0, len(shuffled), size)]

    together = merge([merge(chunks[:2]), *chunks[2:]])

    assert same(together, tallied(history))


@given(shuffled_persons)
def test_any_order_of_events_and_any_numbering_of_leaves_gives_the_same_bits(
    shuffled_person: tuple[Person, Random],
) -> None:
    person, random = shuffled_person
    history, model = person.history, person.model
    numbering = random.sample(LEAVES, len(LEAVES))
    shuffled = random.sample(history, len(history))

    read_other = read(
        tallied(shuffled, numbering=numbering),
        facts=NO_FACTS,
        owners=1,
        leaves=Leaves.of(catalogue_of(model), numbering),
        at_hour=NOW,
        parameters=parameters_of(model),
        windows_h=WINDOWS_H,
    )

    assert [tuple(float(column[0]) for column in row) for row in read_other] == [person.read(w) for w in WINDOWS_H]


@given(families)
def test_the_score_equals_an_independent_reading_bit_for_bit(family: Family) -> None:
    several, model = family
    tallies_of_all = merge([tallied(h, numbering=UNSORTED, owner=i) for i, h in enumerate(several)])

    readings = read(
        tallies_of_all,
        facts=NO_FACTS,
        owners=len(several),
        leaves=Leaves.of(catalogue_of(model), UNSORTED),
        at_hour=NOW,
        parameters=parameters_of(model),
        windows_h=WINDOWS_H,
    )

    for window_h, reading in zip(WINDOWS_H, readings, strict=True):
        expected = [score(state(history), model, NOW, window_h) for history in several]
        assert [tuple(row) for row in zip(*(c.tolist() for c in reading), strict=True)] == expected


@given(families)
def test_columns_merge_in_any_order_and_grouping_and_nothing_adds_nothing(family: Family) -> None:
    several = [tallied(history, owner=i % 2) for i, history in enumerate(family.histories)]

    whole = merge(several)

    assert same(merge(several[::-1]), whole)
    assert same(merge([merge(several[:1]), merge(several[1:]), merge([])]), whole)


@given(histories)
def test_columns_hold_the_same_integers_as_one_tally_at_a_time(history: History) -> None:
    rows = tallied(history).rows.tolist()

    expected = {(LEAVES.index(leaf), hour): tally for (leaf, hour), tally in state(history).items()}
    assert {(row[0], row[1]): row[2:] for row in rows} == expected


@given(situations)
def test_a_score_stays_between_0_and_100_and_confidence_below_1(situation: Situation) -> None:
    person, _, _, window_h, _ = situation

    reading = person.read(window_h)

    assert 0 < reading.score < 100
    assert 0 <= reading.confidence < 1
    assert 0 < reading.se <= 50


@given(situations)
def test_a_good_event_never_lowers_the_score_and_a_bad_one_never_raises_it(situation: Situation) -> None:
    person, event, _, window_h, _ = situation
    before = person.read(window_h)

    after = person.with_event(event).read(window_h)

    assert after.score >= before.score if event.v >= 0 else after.score <= before.score
    assert after.confidence >= before.confidence


@given(situations)
def test_a_neutral_event_leaves_the_score_bit_equal_and_never_lowers_confidence(situation: Situation) -> None:
    person, event, _, window_h, _ = situation
    before = person.read(window_h)

    after = person.with_event(event._replace(v=0)).read(window_h)

    assert (after.score, after.se) == (before.score, before.se)
    assert after.confidence >= before.confidence


@given(situations)
def test_an_event_without_stake_changes_nothing(situation: Situation) -> None:
    person, event, _, window_h, _ = situation
    before = person.read(window_h)

    after = person.with_event(event._replace(q=0)).read(window_h)

    assert after == before


@given(situations)
def test_raising_one_events_valence_never_lowers_the_score(situation: Situation) -> None:
    person, event, v, *_ = situation
    low, high = sorted((event.v, v))

    lower = person.with_event(event._replace(v=low)).read()
    higher = person.with_event(event._replace(v=high)).read()

    assert higher.score >= lower.score


@given(situations)
def test_shifting_all_times_by_whole_hours_changes_nothing(situation: Situation) -> None:
    person, _, _, window_h, hours = situation
    hours -= HOURS_MAX // 2
    moved = [event._replace(hour=event.hour + hours) for event in person.history]

    shifted = replace(person, history=moved).later(hours)

    assert shifted.read(window_h) == person.read(window_h)


@given(situations)
def test_silence_only_moves_a_score_toward_neutral(situation: Situation) -> None:
    """As long as nothing passes 400 days: then what is left counts alone."""
    person, hours = situation.person, situation.hours
    known = [event for event in person.history if 0 <= NOW - event.hour < 9600 - hours]
    person = replace(person, history=known)
    neutral = 100 * person.model.p

    before, after = (person.read().score - neutral, person.later(hours).read().score - neutral)

    assert abs(after) <= abs(before) + 1e-12
    assert after * before >= 0 or abs(after) < 1e-12


@given(persons)
def test_after_400_days_of_silence_a_person_is_unknown_again(person: Person) -> None:
    latest = max((event.hour for event in person.history), default=NOW)

    forgotten = replace(person, at=latest + 9600).read()

    assert abs(forgotten.score - 100 * person.model.p) < 1e-12
    assert forgotten.confidence == 0


@given(persons)
def test_points_add_up_to_the_distance_from_the_prior(person: Person) -> None:
    receipt = person.receipt()

    assert abs(sum(line.points for line in receipt.leaves) - (receipt.score - receipt.prior)) < 1e-9
    assert (receipt.score, receipt.confidence, receipt.se) == person.read()


@given(persons, st.integers(0, 8))
def test_what_a_short_receipt_leaves_out_is_in_its_sum(person: Person, leaves_max: int) -> None:
    whole, short = person.receipt(), person.receipt(leaves_max)

    assert short.leaves == whole.leaves[:leaves_max]
    assert short.others.leaves == max(0, len(whole.leaves) - leaves_max)
    assert short.others.events == sum(line.events for line in whole.leaves[leaves_max:])
    points = [line.points for line in short.leaves] + [short.others.points]
    assert abs(short.prior + sum(points) - short.score) < 1e-9
    assert short[:4] == whole[:4]


@given(persons)
def test_a_leafs_points_have_the_sign_of_its_balance(person: Person) -> None:
    for line in person.receipt().leaves:
        alone = [event for event in person.history if event.leaf == LEAVES[line.leaf]]
        neutral = 100 * person.model.p
        balance = score(state(alone), person.model, NOW).score - neutral

        assert line.points * balance > 0 or (abs(line.points) < 1e-9 and abs(balance) < 1e-9)


@given(persons)
def test_a_receipt_recomputes_its_score(person: Person) -> None:
    receipt, model = person.receipt(), person.model

    a = model.kappa * model.p + sum(line.good for line in receipt.leaves)
    b = model.kappa * (1 - model.p) + sum(line.bad for line in receipt.leaves)

    assert abs(100 * a / (a + b) - receipt.score) < 1e-9
    assert sum(line.events for line in receipt.leaves) == sum(0 <= NOW - e.hour < 9600 for e in person.history)


@given(persons)
def test_longer_windows_hold_at_least_as_many_events(person: Person) -> None:
    held = [
        sum(cell.events for cell in person.dimensions(window_h)["touchpoint"].values())
        for window_h in (24, 168, 720, 2160, None)
    ]

    ages = [NOW - event.hour for event in person.history]
    assert held == [sum(0 <= age < hours for age in ages) for hours in (24, 168, 720, 2160, 9600)]
    assert held == sorted(held)


@given(situations)
def test_a_dimensions_cell_is_the_score_of_its_events_alone(situation: Situation) -> None:
    person, _, _, window_h, hours = situation
    dimension = sorted(VALUE_OF)[hours % len(VALUE_OF)]
    value_of = VALUE_OF[dimension]

    cells = person.dimensions(window_h)[dimension]

    for value, cell in cells.items():
        alone = [event for event in person.history if value_of(event.leaf) == value]
        assert cell[:3] == score(state(alone), person.model, NOW, window_h)
    limit = window_h or 9600
    assert cells.keys() == {value_of(e.leaf) for e in person.history if 0 <= NOW - e.hour < limit} - {""}


@given(situations)
def test_two_model_versions_each_read_the_same_history_the_same_way_every_time(situation: Situation) -> None:
    history, one = situation.person.history, situation.person.model
    other = MODELS[situation.hours % len(MODELS)]
    first = Person(history, one).read()
    second = Person(history, other).read()

    assert Person(history, one).read() == first
    assert Person(history, other).read() == second
    versions = {catalogue_of(model).model_version for model in (one, other)}
    assert len(versions) == (1 if one == other else 2)


@given(families)
def test_a_merged_person_is_the_union_and_splitting_gives_each_part_back(family: Family) -> None:
    several = family.histories
    parts_of_all = [tallied(history) for history in several]

    merged = merge(parts_of_all)

    union = [event for history in several for event in history]
    assert same(merged, tallied(union))
    assert all(same(merge([part]), tallied(h)) for part, h in zip(parts_of_all, several, strict=True))


@given(situations)
def test_what_came_and_what_faded_add_up_to_the_change(situation: Situation) -> None:
    person = situation.person
    hours = situation.window_h or WEEK

    change = person.change(hours)

    expected = change_by_the_book(state(person.history), person.model, person.at, hours)
    assert abs(change.points - (person.read().score - person.later(-hours).read().score)) < 1e-9
    assert abs(change.came - expected.came) < 1e-9
    assert abs(change.faded + change.fell_out - expected.faded) < 1e-9
    assert change.significant == expected.significant


@given(situations)
def test_silence_within_a_period_is_never_a_significant_change(situation: Situation) -> None:
    person, hours = situation.person, situation.window_h or WEEK
    silent = replace(person, history=[e for e in person.history if not 0 <= person.at - e.hour < hours])

    change = silent.change(hours)

    assert change.came == 0
    assert not change.significant


@given(shuffled_persons)
def test_a_change_depends_on_no_order(shuffled_person: tuple[Person, Random]) -> None:
    person, random = shuffled_person

    shuffled = replace(person, history=random.sample(person.history, len(person.history)))

    assert shuffled.change() == person.change()
