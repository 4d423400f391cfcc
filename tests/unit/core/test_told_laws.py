"""The laws of the score where promises, facts told once and recovery are read beside the tallies, on random histories."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from services.core.catalogue import Catalogue
from services.core.dimensions import Leaf
from services.core.facts import ENDS, KEEPS, Fact, Facts
from services.core.instants import HOUR_US
from services.core.promise_kinds import PromiseKinds
from services.core.scoring import read_each
from services.core.tallies import HOUR, Tallies
from tests.reference import promises as book
from tests.reference.promises import Told
from tests.unit.core.told_histories import CATALOGUE, Person, law, left_by, person_of

WINDOWS_H = (None, 24, 168, 720, 2160)
SLACK = 1e-9


def other_event(random: Random, person: Person, *, rating: float) -> Told:
    """An answer in a survey, at any past hour: it neither states, keeps nor ends a promise, nor tells anything again."""
    return Told(
        who=random.choice([*person.mine]),
        source="survey",
        id=f"other-{rating}",
        at=(person.at - random.choice((0, 0, 1, 30, 700, 9000))) * HOUR_US,
        known=person.at,
        data={
            "touchpoint": "survey.csat",
            "channel": "web",
            "rating": {"value": rating},
            random.choice(("case", "order")): "c1",
            "stake": random.choice((1.0, 2.0)),
        },
    )


def facts_of_all(person: Person) -> list[Fact]:
    return [fact for told in person.history for fact in left_by(told, person.catalogue)[1].facts]


@law
def test_any_order_of_events_and_of_facts_gives_the_same_bits(random: Random) -> None:
    person = person_of(random)

    shuffled = replace(person, history=random.sample(person.history, len(person.history)))

    assert [shuffled.read(window_h) for window_h in WINDOWS_H] == [person.read(window_h) for window_h in WINDOWS_H]
    assert shuffled.receipt()[0] == person.receipt()[0]
    assert shuffled.dimensions() == person.dimensions()


@law
def test_a_score_stays_between_0_and_100_and_confidence_below_1(random: Random) -> None:
    person, window_h = person_of(random), random.choice(WINDOWS_H)

    reading = person.read(window_h)

    assert 0 < reading.score < 100
    assert 0 <= reading.confidence < 1


@law
def test_a_good_event_never_lowers_the_score_and_a_bad_one_never_raises_it(random: Random) -> None:
    person, window_h = person_of(random), random.choice(WINDOWS_H)
    before = person.read(window_h)

    good = person.with_event(other_event(random, person, rating=random.choice((3.5, 5)))).read(window_h)
    bad = person.with_event(other_event(random, person, rating=random.choice((1, 2.5)))).read(window_h)

    assert bad.score <= before.score + SLACK
    assert good.score >= before.score - SLACK


@law
def test_a_neutral_event_leaves_the_score_bit_equal_and_an_event_without_stake_all_of_it(random: Random) -> None:
    person, window_h = person_of(random), random.choice(WINDOWS_H)
    event = other_event(random, person, rating=3)
    before = person.read(window_h)

    neutral = person.with_event(event).read(window_h)
    without = person.with_event(event._replace(data={**event.data, "stake": 0, "rating": {"value": 1}})).read(window_h)

    assert (neutral.score, neutral.confidence >= before.confidence) == (before.score, True)
    assert without == before


@law
def test_raising_one_events_valence_never_lowers_the_score(random: Random) -> None:
    person, window_h = person_of(random), random.choice(WINDOWS_H)
    low, high = sorted((random.uniform(1, 5), random.uniform(1, 5)))
    event = other_event(random, person, rating=low)

    lower = person.with_event(event).read(window_h)
    higher = person.with_event(event._replace(data={**event.data, "rating": {"value": high}})).read(window_h)

    assert higher.score >= lower.score - SLACK


@law
def test_shifting_all_times_by_whole_hours_changes_nothing(random: Random) -> None:
    person, hours = person_of(random), random.choice((-4000, 1, 23, 8000))
    tallies, leaves, facts = person.stored()
    rows = tallies.rows.copy()
    rows[:, HOUR] += hours

    shifted = person.later(hours).read(stored=(Tallies(tallies.owner, rows), leaves, facts.moved([hours])))

    assert shifted == person.read()


@law
def test_silence_only_moves_a_score_toward_neutral_while_no_promise_is_or_becomes_overdue(random: Random) -> None:
    """As long as nothing passes 400 days, and no promise's sum is so much that its cap holds it while it fades."""
    person, passed = person_of(random), random.choice((1, 24, 700, 5000))
    later = person.later(passed)
    quiet = all(later.at - book.KEPT_HOURS < told.hour <= person.at for told in person.history)
    neutral, felt = 100 * person.model.p, person.felt()

    before, after = person.read().score - neutral, later.read().score - neutral

    capped = person.model.cap < 2 or len({one.key for one in felt}) < len(felt)
    if quiet and not capped and felt == later.felt():
        assert abs(after) <= abs(before) + SLACK
        assert after * before >= 0 or abs(after) < SLACK


@law
def test_after_400_days_and_60_more_a_person_is_unknown_again(random: Random) -> None:
    person = person_of(random)
    latest = max(told.hour for told in person.history)

    forgotten = replace(person, at=latest + book.KEPT_HOURS).read()

    assert forgotten.score == pytest.approx(100 * person.model.p, abs=SLACK)
    assert forgotten.confidence == 0


@law
def test_points_add_up_and_a_receipt_recomputes_its_score(random: Random) -> None:
    person = person_of(random)

    receipt, leaves = person.receipt()

    assert sum(line.points for line in receipt.leaves) == pytest.approx(receipt.score - receipt.prior, abs=SLACK)
    assert (receipt.score, receipt.confidence, receipt.se) == person.read()
    prior, kappa = person.model.p, person.model.kappa
    a = kappa * prior + sum(line.good for line in receipt.leaves)
    b = kappa * (1 - prior) + sum(line.bad for line in receipt.leaves)
    assert 100 * a / (a + b) == pytest.approx(receipt.score, abs=SLACK)
    assert all(line.points * ((1 - prior) * line.good - prior * line.bad) >= 0 for line in receipt.leaves)
    assert {leaves.number(Leaf(*one.leaf)) for one in person.felt()} <= {line.leaf for line in receipt.leaves}


@law
def test_longer_windows_hold_at_least_as_many_events(random: Random) -> None:
    person = person_of(random)

    held = [
        sum(cell.events for cell in person.dimensions(window_h)["touchpoint"].values())
        for window_h in (24, 168, 720, 2160, None)
    ]

    ages = [person.at - told.hour for told in person.history if told.who in person.mine]
    assert held == [sum(0 <= age < hours for age in ages) for hours in (24, 168, 720, 2160, 9600)]


@law
def test_merged_identities_read_as_one_history_and_split_as_before(random: Random) -> None:
    person = person_of(random)
    whole = replace(person, mine=frozenset({0, 1}))
    parts = [replace(person, mine=frozenset({one})) for one in (0, 1)]
    before = [part.read() for part in parts]

    as_one = [told._replace(who=0) if told.who == 1 else told for told in person.history]

    assert whole.read() == replace(person, history=as_one, mine=frozenset({0})).read()
    assert [part.read() for part in parts] == before


@law
def test_an_identity_that_is_added_and_erased_leaves_nothing(random: Random) -> None:
    person = replace(person_of(random), mine=frozenset({0}))
    never = replace(person, history=[told for told in person.history if told.who != 1])

    erased = replace(never, facts=[fact for fact in facts_of_all(person) if fact.identity != 1])

    assert erased.read() == never.read()


@law
def test_an_hour_of_ones_own_reads_as_that_hour(random: Random) -> None:
    person = person_of(random)
    several = [person.later(random.choice((0, -3, -100, 50))) for _ in range(3)]
    tallies, leaves, facts = person.stored()

    readings = read_each(
        Tallies(np.arange(3).repeat(len(tallies.owner)), np.tile(tallies.rows, (3, 1))),
        facts=Facts(dict.fromkeys(range(3), facts.people[0])),
        leaves=leaves,
        at_hours=np.array([one.at for one in several]),
        parameters=person.catalogue.parameters,
        windows_h=[None],
    )[0]

    assert [*zip(*(column.tolist() for column in readings), strict=True)] == [one.read() for one in several]


@law
def test_a_keep_or_an_end_never_lowers_the_score_against_not_adding_it(random: Random) -> None:
    """Beside what the event leaves by itself, and what an arrival tells of how long it took and what did not come."""
    person = replace(person_of(random), catalogue=promises_alone())
    facts = facts_of_all(person)
    answers = [fact for fact in facts if fact.role in (KEEPS, ENDS) and fact.due_us is None]
    if not answers:
        return
    answer = random.choice(answers)
    answered = [fact for fact in facts if fact.role not in (KEEPS, ENDS) or fact is answer]
    open_ = [fact for fact in answered if fact is not answer]

    with_it, without = (replace(person, facts=some).read() for some in (answered, open_))

    assert with_it.score >= without.score - SLACK


DUE_H = 100
DUE = "1970-01-05T04:00:00Z"
PROMISES = [
    ("order.completed", {"order": "1", "promised_at": DUE}, "delivery.delivered", {"order": "1"}),
    ("order.completed", {"order": "1", "pickup_by": DUE}, "pos.pickup_ready", {"order": "1"}),
    ("delivery.dispatched", {"order": "1", "parcel": "P", "promised_at": DUE}, "delivery.delivered", {"parcel": "P"}),
    ("order.completed", {"order": "1", "line": "7", "promised_at": DUE}, "delivery.delivered", {"order": "1"}),
    ("order.completed", {"order": "1", "ship_by": DUE}, "delivery.dispatched", {"order": "1"}),
    ("case.opened", {"case": "1"}, "case.resolved", {"case": "1"}),
    ("refund.requested", {"order": "1", "refund": "R"}, "refund.completed", {"refund": "R"}),
    ("callback.requested", {"case": "1", "due": DUE}, "call.answered", {"case": "1"}),
    ("web.cart_added", {"cart": "1"}, "order.completed", {"cart": "1"}),
]


@pytest.mark.parametrize(
    ("states", "of_it", "keeps", "names"), PROMISES, ids=[one[2] + " " + str(one[1]) for one in PROMISES]
)
@law
def test_keeping_late_is_always_better_than_not_keeping(
    states: str, of_it: dict[str, str], keeps: str, names: dict[str, str], random: Random
) -> None:
    stated = said(states, 90, of_it)
    at = random.choice((101, 130, 400, 1500, 3000))
    kept = said(keeps, random.randint(91, at), names)

    never = Person([stated], frozenset({0}), at, promises_alone())
    late = Person([stated, kept], frozenset({0}), at, promises_alone())

    assert sum(one.v for one in late.felt()) >= sum(one.v for one in never.felt())
    assert late.read().score >= never.read().score - SLACK


@pytest.mark.parametrize(
    ("states", "of_it", "keeps", "names"), PROMISES, ids=[one[2] + " " + str(one[1]) for one in PROMISES]
)
def test_the_later_a_promise_is_kept_the_worse_that_feels(
    states: str, of_it: dict[str, str], keeps: str, names: dict[str, str]
) -> None:
    stated = said(states, 90, of_it)
    answers = [said(keeps, hour, names) for hour in (91, 99, 101, 150, 300, 800, 2000)]

    felt = [Person([stated, one], frozenset({0}), one.hour, promises_alone()).felt() for one in answers]

    valences = [sum(one.v for one in impressions) for impressions in felt]
    assert valences == sorted(valences, reverse=True)
    assert valences[-1] < 0


def said(touchpoint: str, hour: int, names: dict[str, str]) -> Told:
    about: dict[str, Any] = {name: names[name] for name in ("order", "case") if name in names}
    properties = {name: value for name, value in names.items() if name not in about}
    data: dict[str, Any] = {"touchpoint": touchpoint, "channel": "web", "properties": properties, **about}
    return Told(
        who=0,
        source="shop",
        id=touchpoint,
        at=hour * HOUR_US,
        known=hour,
        data=data,
    )


def promises_alone() -> Catalogue:
    """The catalogue without what an arrival tells by itself."""
    kinds = {name: replace(kind, slow="", part_missing="") for name, kind in CATALOGUE.promises.kinds.items()}
    return replace(CATALOGUE, promises=PromiseKinds(kinds))
