"""What promises, facts told once and recovery come to in stories that people would tell."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from services.core.instants import HOUR_US, micros_of, parse_instant
from tests.reference.promises import Told
from tests.unit.core.told_histories import Person

NOW = "2026-11-25T12:00:00Z"


def happened(touchpoint: str, time: str, *, source: str = "shop", who: int = 0, **said: object) -> Told:
    """An event; order, case and place stand in its data, all else among its properties."""
    at = micros_of(parse_instant(time))
    named: dict[str, object] = {name: said.pop(name) for name in ("order", "case", "place") if name in said}
    data: Mapping[str, object] = {"touchpoint": touchpoint, "channel": "web", "properties": said, **named}
    return Told(who=who, source=source, id=f"{touchpoint}/{time}", at=at, known=at // HOUR_US, data=data)


def score(*events: Told, at: str = NOW) -> float:
    return person(*events, at=at).read().score


def person(*events: Told, at: str = NOW) -> Person:
    return Person(events, frozenset({0}), micros_of(parse_instant(at)) // HOUR_US)


def lines(*events: Told, at: str = NOW) -> dict[str, float]:
    """The receipt: points by touchpoint."""
    receipt, leaves = person(*events, at=at).receipt()
    return {leaves.triples[line.leaf].touchpoint: line.points for line in receipt.leaves}


def test_a_case_that_is_resolved_late_scores_above_one_that_never_is() -> None:
    opened = happened("case.opened", "2026-11-15T08:00:00Z", case="K1")
    resolved = happened("case.resolved", "2026-11-25T11:00:00Z", case="K1", wait_seconds=864_000)

    never, late = score(opened), score(opened, resolved)

    assert never < late
    assert lines(opened)["case.unresolved"] < lines(opened, resolved)["case.resolved"] < 0


def test_money_that_comes_back_late_scores_above_money_that_never_does() -> None:
    asked = happened("refund.requested", "2026-10-31T12:00:00Z", order="o-1")
    returned = happened("product.returned", "2026-10-31T12:00:00Z", order="o-1")
    paid = happened("refund.completed", "2026-11-24T12:00:00Z", order="o-1", wait_seconds=2_073_600)

    assert score(asked, returned) < score(asked, returned, paid) < 50


def test_a_delivery_that_two_sources_tell_of_counts_once() -> None:
    shop = happened("delivery.delivered", "2026-11-25T10:00:00Z", order="o-1", hours_late=30)
    carrier = happened(
        "delivery.delivered", "2026-11-25T10:01:00Z", source="carrier", order="o-1", place="carrier/x", hours_late=30
    )
    other_order = happened("delivery.delivered", "2026-11-25T10:02:00Z", order="o-2", hours_late=30)

    assert score(shop, carrier) == score(shop)
    assert score(shop, other_order) < score(shop)


def test_an_order_that_two_sources_tell_of_counts_once_and_the_first_telling_is_it() -> None:
    shop = happened("order.completed", "2026-11-25T10:01:00Z", order="o-1")
    page = happened("order.completed", "2026-11-25T10:00:00Z", source="page", order="o-1", place="store/1")

    receipt, leaves = person(shop, page).receipt()

    (line,) = receipt.leaves[:1]
    assert receipt.score == score(page) == score(shop)
    assert leaves.triples[line.leaf].place == "store/1"
    assert [(one.source, one.event_id) for one in line.told_again] == [(shop.source, shop.id)]


def test_resolving_the_same_case_makes_up_for_more_than_resolving_another() -> None:
    opened = happened("case.opened", "2026-11-25T09:00:00Z", case="K1")
    same = happened("case.resolved", "2026-11-25T11:00:00Z", case="K1", wait_seconds=7200)
    other = happened("case.resolved", "2026-11-25T11:00:00Z", case="K2", wait_seconds=7200)

    assert score(opened) == score(opened, other) < score(opened, same) < 50


def test_a_case_that_is_resolved_well_makes_up_for_four_fifths_of_its_harm_at_most() -> None:
    harms = [happened("case.escalated", f"2026-11-25T0{hour}:00:00Z", case="K1") for hour in (7, 8)]
    small = happened("case.opened", "2026-11-25T09:00:00Z", case="K1")
    resolved = happened("case.resolved", "2026-11-25T11:00:00Z", case="K1")

    harm, left = (50 - sum(lines(small, *more).values()) - 50 for more in ((), (resolved,)))

    assert left == pytest.approx(_share(0.2 * _evidence(harm)))
    assert score(small, *harms) < score(small, *harms, resolved) < 50


def _evidence(points: float) -> float:
    """The bad evidence, loss aversion included, of a person with nothing else, by the points it costs."""
    return 3 * (points / 50) / (1 - points / 50)


def _share(bad: float) -> float:
    return 50 * bad / (3 + bad)


@pytest.mark.parametrize(
    ("promised", "delivered", "hours_late"),
    [
        ("2026-11-24", "2026-11-24T23:59:00Z", 0),
        ("2026-11-24", "2026-11-25T06:00:00Z", 6),
        ("2026-11-24+01:00", "2026-11-24T22:59:00Z", 0),
        ("2026-11-24+01:00", "2026-11-25T05:00:00Z", 6),
        ("2026-11-24-05:00", "2026-11-25T04:59:00Z", 0),
        ("2026-11-24T12:00:00Z", "2026-11-24T18:00:00Z", 6),
    ],
)
def test_a_day_as_a_promise_ends_with_that_day_in_its_zone(promised: str, delivered: str, hours_late: float) -> None:
    order = happened("order.completed", "2026-11-23T12:00:00Z", order="o-1", promised_at=promised)
    alone = happened("delivery.delivered", delivered, promised_at=promised)
    with_order = happened("delivery.delivered", delivered, order="o-1")

    for felt in (lines(alone), lines(order, with_order)):
        assert (felt["delivery.delivered"] < 0) == (hours_late > 0)


def test_an_overdue_parcel_costs_more_every_hour_until_it_comes_or_nobody_waits_any_more() -> None:
    order = happened("order.completed", "2026-06-01T12:00:00Z", order="o-1", promised_at="2026-06-03T12:00:00Z")
    hours = ("2026-06-03T12:00:00Z", "2026-06-03T14:00:00Z", "2026-06-04T12:00:00Z", "2026-06-20T12:00:00Z")

    scores = [score(order, at=hour) for hour in hours]

    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 50 > scores[-1]
    assert score(order, at="2026-08-02T12:00:00Z") < score(order, at="2026-08-04T12:00:00Z") < 50


def test_a_part_that_does_not_come_along_is_told_at_the_arrival_and_taken_back_when_it_comes_the_same_day() -> None:
    stated = [
        happened(
            "delivery.dispatched", f"2026-11-20T12:0{n}:00Z", order="o-1", parcel=f"p{n}", promised_at="2026-11-25"
        )
        for n in (1, 2)
    ]
    first = happened("delivery.delivered", "2026-11-24T10:00:00Z", order="o-1", parcel="p1")
    second = happened("delivery.delivered", "2026-11-24T20:00:00Z", order="o-1", parcel="p2")

    assert lines(*stated, first)["delivery.part_missing"] < 0
    assert "delivery.part_missing" not in lines(*stated, first, second)


def test_how_long_an_order_took_is_told_at_its_arrival_alone() -> None:
    order = happened("order.completed", "2026-11-01T12:00:00Z", order="o-1")
    arrived = happened("delivery.delivered", "2026-11-25T10:00:00Z", order="o-1")

    assert "delivery.slow" not in lines(order)
    assert lines(order, arrived)["delivery.slow"] < 0


def test_an_order_that_is_cancelled_in_time_is_no_promise_and_one_that_is_cancelled_late_stays_as_it_stood() -> None:
    order = happened("order.completed", "2026-11-20T12:00:00Z", order="o-1", promised_at="2026-11-23T12:00:00Z")
    in_time = happened("order.cancelled_by_customer", "2026-11-23T10:00:00Z", order="o-1")
    late = happened("order.cancelled_by_customer", "2026-11-24T12:00:00Z", order="o-1")

    assert "delivery.promise_missed" not in lines(order, in_time)
    assert lines(order)["delivery.promise_missed"] < lines(order, late)["delivery.promise_missed"] < 0


def test_whoever_keeps_a_promise_leaves_nothing_on_themselves() -> None:
    order = happened("order.completed", "2026-11-20T12:00:00Z", order="o-1", promised_at="2026-11-23T12:00:00Z")
    carrier = happened("delivery.delivered", "2026-11-25T10:00:00Z", who=7, order="o-1")

    of_the_carrier = Person((order, carrier), frozenset({7}), person().at).read()

    assert score(order) < score(order, carrier)
    assert of_the_carrier.score == 50


def test_a_source_that_says_a_promise_was_missed_adds_nothing_to_what_the_order_tells() -> None:
    order = happened("order.completed", "2026-11-20T12:00:00Z", order="o-1", promised_at="2026-11-23T12:00:00Z")
    said = happened("delivery.promise_missed", "2026-11-24T12:00:00Z", order="o-1")
    alone = happened("delivery.promise_missed", "2026-11-24T12:00:00Z")

    assert score(order, said) == score(order)
    assert score(alone) < 30


def test_a_page_neither_states_nor_keeps_a_promise() -> None:
    order = happened("order.completed", "2026-11-20T12:00:00Z", order="o-1", promised_at="2026-11-23T12:00:00Z")
    arrived = happened("delivery.delivered", "2026-11-25T10:00:00Z", order="o-1")

    assert "delivery.promise_missed" not in lines(order._replace(browser=True))
    assert "delivery.promise_missed" in lines(order, arrived._replace(browser=True))
