"""What the oracle makes of a log: outcomes, tallies, scores and persons, against numbers worked out by hand."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.faults.expected import judge, replay
from tests.faults.handmade import BOOK, CATALOGUE, HISTORY, HOUR, MODEL, TOPIC, Json, logged, touched
from tests.faults.persons import persons_of, readings
from tests.faults.poison import bad_values
from tests.reference.impressions import MICRO, Refused, impression, micros


@pytest.mark.parametrize("number", range(len(bad_values(random.Random(1)))))
def test_every_kind_of_poison_is_a_dead_letter(number: int) -> None:
    assert isinstance(judge(bad_values(random.Random(1))[number]), str)


@pytest.mark.parametrize(
    ("data", "valence"),
    [
        ({"touchpoint": "survey.nps", "rating": {"value": 3}}, -0.65),
        ({"touchpoint": "survey.nps", "rating": {"value": 9}}, 0.7),
        ({"touchpoint": "survey.csat", "rating": {"value": 4}}, 0.5),
        ({"touchpoint": "survey.csat", "rating": {"scale": "percent", "value": 25}}, -0.5),
        ({"touchpoint": "call.answered", "properties": {"wait_seconds": 60}}, 0.116056),
        ({"touchpoint": "call.answered", "properties": {"wait_seconds": 420}}, -0.849057),
        ({"touchpoint": "delivery.delivered", "properties": {"hours_late": -48}}, 0.189636),
        ({"touchpoint": "delivery.delay_notified", "properties": {"hours_late": 60}}, -0.713495),
        ({"touchpoint": "delivery.delivered", "properties": {"promised_at": "1970-01-01T00:00:00Z"}}, 0.2 * -0.713495),
        ({"touchpoint": "delivery.delivered", "properties": {"promised_at": "1970-01-02"}}, 0.2 * -0.221199),
        ({"touchpoint": "x.thing", "valence": -3}, -1.0),
        ({"touchpoint": "payment.failed", "valence": 1}, -0.7),
    ],
)
def test_valences_are_the_golden_numbers(data: Json, valence: float) -> None:
    v, q = impression(CATALOGUE, data, 60 * 3600 * MICRO)

    assert v == pytest.approx(valence * MICRO, abs=1)
    assert q == MICRO


@pytest.mark.parametrize(
    "data",
    [
        {"touchpoint": "survey.nps", "rating": {"value": 11}},
        {"touchpoint": "survey.csat", "rating": {"value": 0}},
        {"touchpoint": "call.answered", "properties": {"wait_seconds": -1}},
        {"touchpoint": "payment.failed", "stake": 2.5},
    ],
)
def test_impossible_arguments_are_refused(data: Json) -> None:
    with pytest.raises(Refused):
        impression(CATALOGUE, data, 0)


def test_machine_made_and_unjudgeable_events_have_no_stake() -> None:
    scanned = {"touchpoint": "email.opened", "properties": {"machine_made": True}}

    rehearsed = {"touchpoint": "email.opened", "class": "training"}

    assert impression(CATALOGUE, scanned, 0)[1] == 0
    assert impression(CATALOGUE, rehearsed, 0)[1] == 0
    assert impression(CATALOGUE, rehearsed, 0, classed="none")[1] > 0
    assert impression(CATALOGUE, {"touchpoint": "email.opened"}, 0, classed="bot")[1] == 0
    assert impression(CATALOGUE, {"touchpoint": "survey.nps"}, 0) == (0, 0)
    assert impression(CATALOGUE, {"touchpoint": "x.thing"}, 0) == (0, 0)


def test_tallies_are_the_integers_of_the_definition() -> None:
    halves = {"touchpoint": "x.thing", "valence": 0.333333, "stake": 0.5}
    records = logged(touched("e1"), touched("e2"), touched("e3", data=halves))

    tallies = replay(records, BOOK).tallies

    failed = ("customer:c1", "payment.failed", "web", "", HOUR)
    assert tallies[failed] == [2, 2_000_000, 0, 1_400_000, 0, 980_000, 0, 700_000]
    thing = ("customer:c1", "x.thing", "web", "", HOUR)
    assert tallies[thing] == [1, 500_000, 166_666, 0, 55_555, 0, 333_333, 0]


@pytest.mark.parametrize(
    ("times", "v", "weight", "age", "score", "confidence"),
    [
        (1, 1_000_000, 1.0, 0, 62.5, 0.25),
        (1, -1_000_000, 1.0, 0, 30, 0.25),
        (1, -1_000_000, 1.0, 720, 37.5, 0.142857),
        (1, -500_000, 0.6, 0, 43.478261, 0.166667),
        (50, -500_000, 0.6, 0, 27.777778, 0.285714),
    ],
)
def test_scores_are_the_golden_numbers(
    times: int, v: int, weight: float, age: int, score: float, confidence: float
) -> None:
    good, bad = max(v, 0), max(-v, 0)
    squares = (good * good // MICRO, bad * bad // MICRO)
    tally = [times * amount for amount in (1, MICRO, good, bad, *squares)]

    read = readings(
        {("customer:c1", "t", "web", "", HOUR - age): [*tally, 0, 0]},
        at_hour=HOUR,
        model=replace(MODEL, weights={"t": weight}),
    )

    assert read[""] == pytest.approx((score, confidence), abs=1e-6)


def test_identities_that_are_named_together_are_one_person() -> None:
    groups = [("anonymous:a", "customer:c"), ("anonymous:a", "email_hash:e"), ("device:d",)]

    persons = persons_of(groups)

    assert persons == dict.fromkeys(("anonymous:a", "customer:c", "email_hash:e"), "customer:c") | {
        "device:d": "device:d"
    }
    assert persons_of([("anonymous:a", "customer:c"), ("anonymous:a", "customer:d")]) == {}


def test_customers_whom_aliases_join_are_one_person_with_whoever_hangs_on_any_of_them() -> None:
    groups = [("anonymous:a", "customer:c3"), ("customer:c2", "email_hash:e"), ("anonymous:a", "email_hash:e")]
    aliases = [("customer:c3", "customer:c2"), ("customer:c3", "customer:c1")]

    persons = persons_of(groups, aliases)

    assert set(persons.values()) == {"customer:c1"}
    assert len(persons) == 5


def test_an_alias_by_another_key_than_a_server_s_is_a_dead_letter() -> None:
    alias = {"touchpoint": "identity.linked", "alias": {"kind": "customer", "value": "c2"}}

    by_server, by_page = (judge(touched(data=alias, keykind=kind)) for kind in ("server", "browser"))

    assert not isinstance(by_server, str)
    assert by_server.alias == ("customer:c1", "customer:c2")
    assert isinstance(by_page, str)


def test_each_record_has_one_outcome() -> None:
    expected = replay(logged(*HISTORY), BOOK)

    assert expected.outcomes[TOPIC, 0] == {"applied": 3, "duplicate": 2, "conflict": 1, "dead": 1}
    assert expected.conflicts == {(TOPIC, 0, 3)}
    assert expected.dead == {(TOPIC, 0, 4)}


def test_a_retry_that_differs_in_its_time_is_a_duplicate() -> None:
    expected = replay(logged(touched("e1"), touched("e1", time="2026-01-01T00:31:00Z")), BOOK)

    assert expected.outcomes[TOPIC, 0] == {"applied": 1, "duplicate": 1}


def test_an_instant_is_the_same_in_any_zone() -> None:
    assert micros("2026-01-01T01:30:00.000001+01:00") == micros("2026-01-01T00:30:00.000001Z")


def test_what_ingest_adds_makes_no_conflict() -> None:
    first = touched(timeorigin="clamped", clienttime="2026-03-01T00:00:00Z")
    again = touched(
        timeorigin="clamped",
        clienttime="2026-03-01T00:00:00Z",
        time="2026-01-01T00:45:00Z",
        receivedat="2026-01-01T00:45:00Z",
    )

    assert replay(logged(first, again), BOOK).outcomes[TOPIC, 0] == {"applied": 1, "duplicate": 1}
