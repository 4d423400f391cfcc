"""Sums over people: whoever counts, in whatever portions, gets the same integers, and they add up to people's scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.census import BY, NO_SEGMENTS, NOT_COUNTED, PERIOD_H, Census, Group, count_up, together
from services.core.dimensions import Leaves
from services.core.facts import NO_FACTS
from services.core.scoring import read
from services.core.tallies import MICRO, Tallies, merge
from tests.reference.census import Means, census
from tests.reference.scoring import Event, Model, state
from tests.unit.core.histories import (
    HISTORY_OCTETS,
    LEAVES,
    MODELS,
    NOW,
    UNSORTED,
    catalogue_of,
    history_of,
    parameters_of,
    tallied,
)

PEOPLE = st.lists(st.binary(min_size=HISTORY_OCTETS, max_size=HISTORY_OCTETS).map(history_of), max_size=6)
NOBODY: Census = {}


def counted(
    people: Sequence[Sequence[Event]],
    *,
    model: Model = MODELS[0],
    numbering: Sequence[tuple[str, str, str]] = LEAVES,
    segments: Mapping[str, Sequence[int]] = NO_SEGMENTS,
) -> Census:
    """Count people in one portion."""
    return count_up(
        everybody(people, numbering=numbering),
        facts=NO_FACTS,
        owners=len(people),
        leaves=Leaves.of(catalogue_of(model), numbering),
        at_hour=NOW,
        parameters=parameters_of(model),
        segments=segments,
    )


def everybody(people: Sequence[Sequence[Event]], *, numbering: Sequence[tuple[str, str, str]] = LEAVES) -> Tallies:
    return merge([tallied(history, numbering=numbering, owner=owner) for owner, history in enumerate(people)])


@given(people=PEOPLE, model=st.sampled_from(MODELS))
def test_a_census_is_what_a_plain_recount_of_everybody_gives(people: list[list[Event]], model: Model) -> None:
    def means(touchpoint: str) -> Means:
        return Means(f"stage of {touchpoint}", "speed", "owned")

    found = counted(people, model=model)

    assert found == census([state(history) for history in people], model, means, NOW)


@given(people=PEOPLE, first=st.integers(0, 6))
def test_portions_of_people_in_any_order_give_the_same_census(people: list[list[Event]], first: int) -> None:
    whole = counted(people)

    parts = [counted(people[first:]), counted(people[:first])]
    one_by_one = [counted([history], numbering=UNSORTED) for history in reversed(people)]

    assert reduce(together, parts, NOBODY) == whole
    assert reduce(together, one_by_one, NOBODY) == whole


@given(people=PEOPLE, model=st.sampled_from(MODELS))
def test_won_less_lost_is_how_far_scores_are_from_the_prior(people: list[list[Event]], model: Model) -> None:
    [scores] = read(
        everybody(people),
        facts=NO_FACTS,
        owners=len(people),
        leaves=Leaves.of(catalogue_of(model), LEAVES),
        at_hour=NOW,
        parameters=parameters_of(model),
        windows_h=[PERIOD_H],
    )

    found = counted(people, model=model)

    everything = found.get(Group("", "everything", ""), NOT_COUNTED).now
    roundings = len(people) * 2 * len(LEAVES)
    assert everything.won - everything.lost == pytest.approx(
        MICRO * float(np.sum(scores.score - 100 * model.p)), abs=roundings
    )
    for by in BY:
        assert sum(one.now.lost for group, one in found.items() if group[:2] == ("", by)) == everything.lost


@given(people=PEOPLE, members=st.sets(st.integers(0, 5)))
def test_a_segment_has_the_sums_of_its_members_alone(people: list[list[Event]], members: set[int]) -> None:
    found = counted(people, segments={"segment:plan:gold": [*members]})

    mine = counted([history for owner, history in enumerate(people) if owner in members])
    in_segment = {group._replace(scope=""): one for group, one in found.items() if group.scope == "segment:plan:gold"}
    assert in_segment == {group: one for group, one in mine.items() if not group.scope}
    assert {group: one for group, one in found.items() if group.scope[:8] != "segment:"} == counted(people)


def test_who_was_touched_counts_however_it_felt() -> None:
    leaf = ("order.placed", "web", "store/2")
    people = [[Event(leaf, NOW, 500_000)], [Event(leaf, NOW, -500_000)], [Event(leaf, NOW, 0, 0)], []]

    found = counted(people)

    for scope in ("", "place:store/2"):
        now, before = found[Group(scope, "touchpoint", "order.placed")]
        assert (now.customers, now.events, before.customers) == (3, 3, 0)
        assert now.lost > 0 < now.won


def test_a_period_is_set_against_the_one_before_it() -> None:
    leaf = ("order.placed", "web", "")
    ages = (0, PERIOD_H - 1, PERIOD_H, 2 * PERIOD_H - 1, 2 * PERIOD_H, -1)

    found = counted([[Event(leaf, NOW - age, -MICRO)] for age in ages])

    now, before = found[Group("", "everything", "")]
    assert now == before
    assert now.customers == 2
