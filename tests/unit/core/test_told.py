"""The laws of promises, of facts told once and of recovery, each on random histories; and the laws of the score with them."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given

from tests.reference import promises as book
from tests.reference.told import read as read_by_the_book
from tests.unit.core.told_histories import BOOK, MODEL, person_of, randoms


@given(randoms)
def test_promises_are_felt_as_a_plain_reading_of_all_events_has_it(random: Random) -> None:
    person = person_of(random)

    felt = person.felt()

    assert felt == book.felt_at(BOOK, person.history, mine=person.mine, at=person.at)


@given(randoms)
def test_the_score_with_promises_equals_a_plain_reading_of_all_events(random: Random) -> None:
    person, window_h = person_of(random), random.choice((None, None, 24, 168, 2160))

    reading = person.read(window_h)

    expected = read_by_the_book(BOOK, person.history, MODEL, mine=person.mine, at=person.at, window=window_h)
    assert tuple(reading) == pytest.approx(tuple(expected), abs=1e-9)
