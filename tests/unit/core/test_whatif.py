"""Tallies without an event are those of a history that never had it, to the last integer."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.core.dimensions import Leaves
from services.core.facts import NO_FACTS
from services.core.scoring import receipt
from services.core.tallies import MICRO, Tallies, fold
from services.core.whatif import Extremes, Felt, altered, side_by_side
from services.infra.catalogue.reading import load_catalogue

OURS = load_catalogue()
NOW = 500_000
TRIPLES = [("delivery.damaged", "any", ""), ("order.completed", "web", "")]

EVENTS = st.builds(
    Felt,
    leaf=st.integers(0, 1),
    hour=st.integers(NOW - 2, NOW),
    v=st.integers(-MICRO, MICRO),
    q=st.sampled_from([0, 333_333, MICRO, 2 * MICRO]),
)


def tallied(events: list[Felt]) -> Tallies:
    columns = np.array(events, dtype=np.int64).reshape(-1, 4).T
    leaf, hour, v, q = columns
    return fold(owner=np.zeros(len(events), dtype=np.int64), leaf=leaf, hour=hour, v=v, q=q)


def extremes_of(events: list[Felt]) -> dict[tuple[int, int], Extremes]:
    found: dict[tuple[int, int], Extremes] = {}
    for leaf, hour, v, q in events:
        if q:
            best, worst = found.get((leaf, hour), Extremes(0, 0))
            found[leaf, hour] = Extremes(max(best, v), max(worst, -v))
    return found


@given(st.lists(EVENTS, max_size=10), st.lists(EVENTS, max_size=4), st.data())
def test_taking_out_and_putting_in_is_another_history(rest: list[Felt], taken: list[Felt], data: st.DataObject) -> None:
    put = [
        one._replace(v=data.draw(st.integers(-MICRO, MICRO)), q=data.draw(st.sampled_from([0, 5, MICRO])))
        for one in taken
        if data.draw(st.booleans())
    ]

    found = altered(tallied([*rest, *taken]), taken=taken, put=put, extremes=extremes_of(rest))

    wanted = tallied([*rest, *put])
    assert found is not None
    assert found.rows.tolist() == wanted.rows.tolist()
    assert found.owner.tolist() == wanted.owner.tolist()


@given(st.lists(EVENTS, max_size=6), EVENTS)
def test_what_is_not_there_cannot_be_taken_out(rest: list[Felt], stranger: Felt) -> None:
    elsewhere = stranger._replace(hour=NOW - 100)

    assert altered(tallied(rest), taken=[elsewhere], put=[], extremes={}) is None


@given(st.lists(EVENTS, min_size=1, max_size=8), st.lists(EVENTS, max_size=8))
def test_two_receipts_side_by_side_add_up(before: list[Felt], after: list[Felt]) -> None:
    leaves = Leaves.of(OURS, TRIPLES)
    one, other = (
        receipt(tallied(events), facts=NO_FACTS, leaves=leaves, at_hour=NOW, parameters=OURS.parameters)
        for events in (before, after)
    )

    differences = side_by_side(one, other)

    assert abs(sum(each.points for each in differences) - (other.score - one.score)) < 1e-9
    assert [abs(each.points) for each in differences] == sorted(
        (abs(each.points) for each in differences), reverse=True
    )
    assert sum(each.events_before for each in differences) == len(before)
