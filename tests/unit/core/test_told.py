"""Promises, facts told once and recovery, held to a plain reading of all events, on random histories."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from services.core.facts import Facts, PersonFacts
from services.core.promises import fold, turns
from tests.reference import promises as book
from tests.reference import told as book_of_scores
from tests.unit.core.told_histories import Person, book_of, law, left_by, person_of

WINDOWS_H = (None, 24, 168, 720, 2160)
EXACT = 1e-9


@law
def test_promises_are_felt_as_a_plain_reading_of_all_events_has_it(random: Random) -> None:
    person = person_of(random)

    felt = person.felt()

    assert felt == book.felt_at(book_of(person.model), person.history, mine=person.mine, at=person.at)


@law
def test_the_score_with_promises_equals_a_plain_reading_of_all_events(random: Random) -> None:
    person, window_h = person_of(random), random.choice((None, *WINDOWS_H))

    reading = person.read(window_h)

    expected = by_the_book(person, window_h=window_h)
    assert tuple(reading) == pytest.approx(expected, abs=EXACT)


@law
def test_a_touchpoints_score_is_that_of_its_leaves_alone(random: Random) -> None:
    person, window_h = person_of(random), random.choice(WINDOWS_H)

    cells = person.dimensions(window_h)["touchpoint"]

    for touchpoint, cell in cells.items():
        expected = by_the_book(person, window_h=window_h, touchpoint=touchpoint)
        assert cell[:3] == pytest.approx(expected, abs=EXACT)


@law
def test_what_came_is_measured_against_promises_as_they_stood_when_the_period_began(random: Random) -> None:
    person, hours = person_of(random), random.choice((1, 24, 168, 720))

    change = person.change(hours)

    without = book_of_scores.read_without(
        book_of(person.model), person.history, person.model, mine=person.mine, at=person.at, hours=hours
    ).score
    now, before = by_the_book(person)[0], by_the_book(person.later(-hours))[0]
    assert (change.came, change.faded) == pytest.approx((now - without, without - before), abs=EXACT)


@law
def test_what_was_known_then_is_what_had_arrived_by_then(random: Random) -> None:
    person = person_of(random)
    facts = [fact for told in person.history for fact in left_by(told)[1].facts]

    known = Facts({0: PersonFacts(person.mine, facts)}).known_by(person.at).people[0].facts

    arrived = [told for told in person.history if told.known <= person.at]
    assert list(known) == [fact for told in arrived for fact in left_by(told)[1].facts]


@law
def test_facts_that_no_name_leads_to_from_a_persons_own_change_nothing(random: Random) -> None:
    person = person_of(random)
    facts = [fact for told in person.history for fact in left_by(told)[1].facts]
    found = [fact for fact in facts if fact.identity in person.mine]

    for _ in facts:
        names = {name for fact in found for name in fact.shared_names}
        found += [fact for fact in facts if fact not in found and names & {*fact.names}]

    assert replace(person, facts=found).read() == person.read()


@law
def test_what_was_folded_is_used_only_as_long_as_it_stays_so(random: Random) -> None:
    person = person_of(random)
    tallies_leaves_facts = person.stored()
    hours = sorted(person.at + random.choice((0, 1, 2, 30, 500, 2000)) for _ in range(3))

    readings = [person.later(hour - person.at).read(stored=tallies_leaves_facts) for hour in hours]

    assert readings == [person.later(hour - person.at).read() for hour in hours]


@law
def test_nothing_but_what_turns_makes_promises_felt_otherwise_while_nothing_happens(random: Random) -> None:
    person = person_of(random)
    passed = random.choice((1, 2, 10, 100, 1500))
    _, _, facts = person.stored()
    # What was done within the hour of a reading is felt whole from the next one on.
    quiet = all(person.at + passed - book.KEPT_HOURS < told.hour < person.at for told in person.history)
    turning = turns(facts.people[0], catalogue=person.catalogue, at_hour=person.at)

    before, after = person.felt(), person.later(passed).felt()

    if quiet and before != after:
        assert min(turn.negative for turn in turning) <= person.at + passed
    folded = fold(facts.people[0], catalogue=person.catalogue, at_hour=person.at)
    assert before == after or not quiet or folded.until <= person.at + passed


def by_the_book(
    person: Person, *, window_h: int | None = None, touchpoint: str | None = None
) -> tuple[float, float, float]:
    """The plain reading of a person's score."""
    return book_of_scores.read(
        book_of(person.model),
        person.history,
        person.model,
        mine=person.mine,
        at=person.at,
        window=window_h,
        of=lambda leaf: touchpoint is None or leaf[0] == touchpoint,
    )
