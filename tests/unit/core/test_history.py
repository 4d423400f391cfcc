"""A history is the scores of its hours, to the last bit, overall and along every dimension."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core import history
from services.core.dimensions import DIMENSIONS
from services.core.facts import NO_FACTS
from services.core.history import History, read_history
from services.core.tallies import HOURS_KEPT
from tests.unit.core import told_histories
from tests.unit.core.histories import NOW, Person, leaves_of, parameters_of, persons, tallied

DAYS = st.lists(st.integers(-40 * 24, HOURS_KEPT + 100), min_size=1, max_size=12, unique=True)


def history_of(
    person: Person, at_hours: list[int], dimension: str | None = None, values_max: int | None = None
) -> History:
    return read_history(
        tallied(person.history),
        facts=NO_FACTS,
        leaves=leaves_of(person.model),
        at_hours=at_hours,
        parameters=parameters_of(person.model),
        dimension=dimension,
        values_max=values_max,
    )


@given(persons, DAYS, st.sampled_from([*DIMENSIONS]))
def test_a_history_is_what_is_read_at_each_of_its_hours(person: Person, after: list[int], dimension: str) -> None:
    at_hours = sorted(NOW - 20 * 24 + hours for hours in after)

    told = history_of(person, at_hours, dimension)

    for place, at in enumerate(at_hours):
        then = person.later(at - person.at)
        assert tuple(column[place] for column in told.overall) == tuple(then.read())
        cells = then.dimensions()[dimension]
        assert cells.keys() <= told.values.keys()
        for value, reading in told.values.items():
            told_then = tuple(column[place] for column in reading)
            cell = cells.get(value)
            unknown = (100 / (1 + (1 - person.model.p) / person.model.p), 0.0)
            assert told_then == tuple(cell)[:3] if cell else told_then[:2] == pytest.approx(unknown)
    assert told.left_out == 0


@settings(max_examples=told_histories.TRIED)
@given(told_histories.randoms, st.integers(1, 60), st.sampled_from([None, "touchpoint", *DIMENSIONS]))
def test_a_history_with_promises_is_what_is_read_at_each_of_its_hours(
    random: Random, step: int, dimension: str | None
) -> None:
    person = told_histories.person_of(random)
    tallies, leaves, facts = person.stored()
    at_hours = [person.at - 20 * step + number * step for number in range(30)]

    told = read_history(
        tallies,
        facts=facts,
        leaves=leaves,
        at_hours=at_hours,
        parameters=person.catalogue.parameters,
        dimension=dimension,
    )

    for place, at in enumerate(at_hours):
        then = person.later(at - person.at)
        assert tuple(column[place] for column in told.overall) == tuple(then.read(None))
        cells = then.dimensions(None)[dimension] if dimension else {}
        assert cells.keys() <= told.values.keys()
        for value, cell in cells.items():
            assert tuple(column[place] for column in told.values[value]) == tuple(cell)[:3]


@given(persons, st.integers(0, 3))
def test_of_too_many_values_those_are_told_that_most_was_seen_of(person: Person, values_max: int) -> None:
    at_hours = [NOW - 24, NOW]

    every, few = (history_of(person, at_hours, "touchpoint", most) for most in (None, values_max))

    assert len(few.values) == min(values_max, len(every.values))
    assert few.left_out == len(every.values) - len(few.values)
    for value, reading in few.values.items():
        assert all(np.array_equal(one, other) for one, other in zip(reading, every.values[value], strict=True))


@given(persons)
def test_a_history_read_in_pieces_is_the_same(person: Person) -> None:
    at_hours = [NOW - 24 * day for day in range(40, -1, -1)]

    whole = history_of(person, at_hours, "channel")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "CELLS_MAX", 17)
        pieces = history_of(person, at_hours, "channel")

    assert whole.values.keys() == pieces.values.keys()
    for one, other in ((whole.overall, pieces.overall), *((whole.values[v], pieces.values[v]) for v in whole.values)):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
