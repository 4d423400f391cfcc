"""What would have been raised is what the workers' own reads say, hour by hour, with their rests and their ends."""

from __future__ import annotations

from random import Random
from typing import Any

from services.core.alerts import COOLDOWN_H
from services.core.backtest import Life, Raised, Replay, Rule
from services.core.drops import read_falls
from services.core.instants import HOUR_US
from services.core.tallies import merge
from services.core.thresholds import SENSITIVE, USUAL, Thresholds
from tests.reference.promises import Told
from tests.unit.core.told_histories import NOW, Person, instant, law, person_of

MONTH = (NOW - 720, NOW)


def told(touchpoint: str, hours_ago: int, *, order: str | None = None, stars: int = 0, **properties: str) -> Told:
    at = (NOW - hours_ago) * HOUR_US
    channel = "delivery" if touchpoint.startswith("delivery") else "web"
    data: dict[str, Any] = {"touchpoint": touchpoint, "channel": channel, "properties": properties}
    data |= {} if order is None else {"order": order}
    if touchpoint == "survey.csat":
        data["rating"] = {"value": stars}
    return Told(
        who=0, source="shop", id=f"{touchpoint}-{hours_ago}", at=at, known=NOW - hours_ago, data=data, browser=False
    )


def replay(person: Person, thresholds: Thresholds = USUAL, hours: tuple[int, int] = MONTH) -> tuple[Replay, Life]:
    tallies, leaves, facts = person.stored()
    made = Replay(Rule(thresholds, *hours), leaves=leaves, parameters=person.catalogue.parameters)
    return made, Life(merge([tallies]).rows, facts.people[0])


def raised(*history: Told, thresholds: Thresholds = USUAL, hours: tuple[int, int] = MONTH) -> list[Raised]:
    made, life = replay(Person(history), thresholds, hours)
    return made.raised(1, life)


def test_a_lost_parcel_is_one_critical_alert_at_its_hour() -> None:
    [alert] = raised(told("delivery.lost_or_returned", 100))

    assert (alert.person, alert.rule, alert.hour, alert.critical) == (1, "drop", NOW - 100, True)
    assert alert.points > 10
    assert alert.closed is None


def test_what_happens_while_one_is_open_raises_no_other() -> None:
    assert len(raised(told("delivery.lost_or_returned", 100), told("delivery.damaged", 60))) == 1


def test_another_opens_only_after_the_rest_that_follows_the_end() -> None:
    history = [told("delivery.lost_or_returned", ago) for ago in (719, 250, 40)]
    history += [told("referral.made", ago) for ago in range(130, 140)]

    first, second = raised(*history)

    assert first.closed is not None
    assert first.closed - first.hour >= 14 * 24
    assert second.hour == NOW - 40 >= first.closed + COOLDOWN_H


def test_small_friction_raises_none_by_the_usual_thresholds_and_one_by_the_sensitive_ones() -> None:
    history = [told("delivery.attempt_failed", 100)]

    assert raised(*history) == []
    assert len(raised(*history, thresholds=SENSITIVE)) == 1


def test_what_lies_outside_the_hours_raises_none() -> None:
    assert raised(told("delivery.lost_or_returned", 100), hours=(NOW - 99, NOW)) == []


def test_a_bad_answer_is_a_rule_of_its_own() -> None:
    [alert] = raised(told("survey.csat", 100, stars=1))

    assert alert.rule == "bad_answer"


def test_a_promise_that_waits_too_long_is_raised_and_its_keeping_ends_it() -> None:
    order = told("order.completed", 300, order="o1", promised_at=instant((NOW - 200) * HOUR_US))
    kept = told("delivery.delivered", 100, order="o1")

    [open_] = raised(order)
    [closed] = raised(order, kept)

    assert (open_.rule, closed.rule) == ("overdue", "overdue")
    assert NOW - 200 < closed.hour == open_.hour < NOW - 100
    assert closed.closed == NOW - 100
    assert closed.critical


def test_nobody_to_whom_nothing_happened_has_an_alert() -> None:
    assert raised(told("web.page_viewed", 100)) == []


@law
def test_many_hours_read_at_once_read_as_each_alone(random: Random) -> None:
    person = person_of(random)
    made, life = replay(person)
    hours = sorted({told.hour + random.choice((0, 1, 30, 400)) for told in person.history})
    tallies, leaves, facts = person.stored()

    together = made._falls(life, hours)

    alone = [
        read_falls(tallies, facts=facts, owners=1, leaves=leaves, at_hour=hour, parameters=person.catalogue.parameters)[
            0
        ]
        for hour in hours
    ]
    assert together == alone
