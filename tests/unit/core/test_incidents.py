"""Many who fall for one cause are one incident, named by the narrowest thing that nearly all of them share."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.core.incidents import (
    Cause,
    Leaf,
    LoneAlert,
    Storm,
    candidates,
    causes_of,
    has_grown,
    is_over,
    joined,
    storms,
    usual_people,
)
from tests.support.alerts import alert_id
from tests.support.clocks import NOON

SWIFT = Cause("place", "carrier/swift")
STORE = Cause("place", "store/014")
LATE = Cause("touchpoint", "delivery.promise_missed")
DELIVERY = Cause("channel", "delivery")
MINUTE = timedelta(minutes=1)


def fallen(number: int, *causes: Cause, minute: float = 0.0, person: int | None = None) -> LoneAlert:
    at = NOON + minute * MINUTE
    return LoneAlert(alert_id(number), number if person is None else person, at, frozenset(causes))


def named(found: list[Storm]) -> list[tuple[Cause, int]]:
    return [(storm.cause, len(storm.alerts)) for storm in found]


def test_what_lowered_a_score_most_is_its_cause_and_what_everybody_has_a_little_of_is_none() -> None:
    causes = causes_of(
        [
            Leaf("delivery.promise_missed", "delivery", "carrier/swift", -9.0),
            Leaf("web.page_slow", "web", "", -1.0),
            Leaf("pos.sale_completed", "pos", "store/014", 4.0),
        ]
    )

    assert causes == {SWIFT, LATE, DELIVERY}


def test_ten_people_are_an_incident_and_nine_are_none() -> None:
    ten = [fallen(number, LATE) for number in range(10)]

    assert named(storms(ten, {})) == [(LATE, 10)]
    assert storms(ten[:9], {}) == []


def test_one_person_with_ten_alerts_is_none() -> None:
    assert storms([fallen(number, LATE, person=1) for number in range(10)], {}) == []


def test_ten_people_within_an_hour_are_one_and_ten_over_a_day_are_none() -> None:
    quick = [fallen(number, LATE, minute=6 * number) for number in range(10)]
    slow = [fallen(number, LATE, minute=7 * number) for number in range(10)]

    assert named(storms(quick, {})) == [(LATE, 10)]
    assert storms(slow, {}) == []


def test_what_is_usual_at_this_hour_is_no_incident_until_there_are_three_times_as_many() -> None:
    alerts = [fallen(number, LATE) for number in range(29)]

    assert storms(alerts, {LATE: 10.0}) == []
    assert named(storms(alerts, {LATE: 9.5})) == [(LATE, 29)]
    assert usual_people([0, 0, 3, 4, 9, 12, 90]) == 4.0


def test_one_cause_is_one_incident_by_the_narrowest_that_nearly_all_share() -> None:
    alerts = [fallen(number, SWIFT, LATE, DELIVERY) for number in range(12)]

    assert named(storms(alerts, {})) == [(SWIFT, 12)]


def test_a_place_that_holds_only_some_does_not_stand_for_all() -> None:
    swift = [fallen(number, SWIFT, LATE, DELIVERY) for number in range(12)]
    others = [fallen(100 + number, LATE, DELIVERY) for number in range(8)]

    assert named(storms([*swift, *others], {})) == [(LATE, 20)]


def test_two_causes_at_once_are_two_incidents() -> None:
    swift = [fallen(number, SWIFT, LATE, DELIVERY) for number in range(12)]
    store = [fallen(100 + number, STORE, Cause("channel", "pos")) for number in range(11)]

    assert named(storms([*swift, *store], {})) == [(SWIFT, 12), (STORE, 11)]


def test_whoever_finds_a_storm_gives_it_the_same_name() -> None:
    alerts = [fallen(number, SWIFT, minute=number) for number in range(10)]

    [one], [other] = storms(alerts, {}), storms(list(reversed(alerts)), {})

    assert one.id == other.id
    assert one.id != storms([*alerts[1:], fallen(77, SWIFT, minute=9)], {})[0].id


def test_an_alert_joins_the_narrowest_incident_of_its_causes() -> None:
    alerts = [fallen(1, SWIFT, LATE), fallen(2, LATE), fallen(3, STORE)]

    assert joined(alerts, {SWIFT, LATE}) == {alert_id(1): SWIFT, alert_id(2): LATE}


@given(
    st.lists(
        st.tuples(
            st.integers(0, 30),
            st.integers(0, 180),
            st.sets(st.sampled_from([SWIFT, STORE, LATE, DELIVERY]), min_size=1),
        ),
        max_size=60,
    )
)
def test_every_incident_has_enough_people_and_no_alert_is_in_two(drawn: list[tuple[int, int, set[Cause]]]) -> None:
    alerts = [
        fallen(number, *causes, minute=minute, person=person) for number, (person, minute, causes) in enumerate(drawn)
    ]

    found = storms(alerts, {LATE: 4.0})

    taken = [alert.id for storm in found for alert in storm.alerts]
    assert len(taken) == len(set(taken))
    assert all(storm.people >= (12 if storm.cause == LATE else 10) for storm in found)
    left = [alert for alert in alerts if alert.id not in taken]
    assert all(count < (12 if cause == LATE else 10) for cause, (_, count) in candidates(left).items())


def test_an_incident_is_over_when_it_is_quiet_and_most_have_recovered() -> None:
    two_h = timedelta(hours=2)
    stands = {"now": NOON, "quiet": two_h}

    assert is_over(joined_at=NOON - two_h, alerts=11, recovered=6, **stands)  # type: ignore[arg-type]
    assert not is_over(joined_at=NOON - two_h, alerts=11, recovered=5, **stands)  # type: ignore[arg-type]
    assert not is_over(joined_at=NOON - two_h + MINUTE, alerts=11, recovered=11, **stands)  # type: ignore[arg-type]


def test_growth_is_told_when_it_has_doubled_or_after_a_while_and_never_when_there_is_none() -> None:
    assert has_grown(people=20, told_people=10, told_at=NOON, now=NOON)
    assert not has_grown(people=19, told_people=10, told_at=NOON, now=NOON + 14 * MINUTE)
    assert has_grown(people=11, told_people=10, told_at=NOON, now=NOON + 15 * MINUTE)
    assert not has_grown(people=10, told_people=10, told_at=NOON, now=NOON + 60 * MINUTE)
