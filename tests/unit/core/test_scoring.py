"""Bands, dimensions, decay and significance: what people see of a reading."""

from __future__ import annotations

import json
import random
import re

import numpy as np
import pytest

from schemas.readapi import CustomerAnswer
from services.core.bands import BANDS, CONFIDENCE_KNOWN, Bands
from services.core.catalogue import Arguments, Catalogue, Impression, Parameters
from services.core.dimensions import DIMENSIONS, Leaves
from services.core.evidence import decay_table
from services.core.facts import NO_FACTS
from services.core.scoring import (
    WINDOWS,
    Dimensions,
    read,
    read_dimensions,
)
from services.core.tallies import HOURS_KEPT, fold
from services.core.valence import ScalePoints
from tests.reference.scoring import MICRO, Event
from tests.unit.core.histories import LEAVES, MODELS, NOW, Person, catalogue_of, tallied


@pytest.mark.parametrize(
    ("score", "confidence", "name"),
    [
        (99.9, 0.0999, "unknown"),
        (24.999, 0.1, "critical"),
        (25, 0.1, "low"),
        (39.999, 0.5, "low"),
        (40, 0.5, "fair"),
        (59.999, 0.5, "fair"),
        (60, 0.5, "good"),
        (79.999, 0.5, "good"),
        (80, 0.5, "great"),
    ],
)
def test_a_score_is_in_the_band_it_reaches(score: float, confidence: float, name: str) -> None:
    assert BANDS.name(score, confidence) == name
    assert BANDS.names[int(BANDS.numbers(np.array([score]), np.array([confidence]))[0])] == name


def test_bands_may_have_other_names_and_borders() -> None:
    bands = Bands.of({"fine": 70, "poor": 0, "so-so": 33.5})

    assert bands == Bands(("unknown", "poor", "so-so", "fine"), (33.5, 70))
    assert bands.begins == {"poor": 0, "so-so": 33.5, "fine": 70}
    told = [bands.name(score, confidence) for score, confidence in ((33.4, 1), (33.5, 1), (70, 0.1), (70, 0.05))]
    assert told == ["poor", "so-so", "fine", "unknown"]


def test_the_contract_says_where_bands_begin() -> None:
    [told] = {*re.findall(r'"description": "(unknown below[^"]*)"', json.dumps(CustomerAnswer.model_json_schema()))}

    _, *limits = BANDS.begins.items()
    named = ", ".join(f"{name} from {start:g}" for name, start in limits)
    assert told == (
        f"unknown below a confidence of {CONFIDENCE_KNOWN}; else critical below a score of 25, {named}, unless the "
        "model has other bands."
    )


def test_the_windows_are_a_day_a_week_a_month_and_a_quarter() -> None:
    assert WINDOWS == {"24h": 24, "7d": 7 * 24, "30d": 30 * 24, "90d": 90 * 24}


def test_a_person_of_three_events_is_read_along_every_dimension() -> None:
    person = Person(
        [
            Event(("order.placed", "web", "store/2"), NOW, MICRO),
            Event(("order.placed", "any", ""), NOW, -MICRO),
            Event(("call.answered", "any", "store/2"), NOW - 1, 0),
        ]
    )

    cells = person.dimensions()

    assert cells.keys() == DIMENSIONS.keys()
    events = {name: {value: cell.events for value, cell in cells[name].items()} for name in cells}
    assert events == {
        "touchpoint": {"call.answered": 1, "order.placed": 2},
        "channel": {"any": 2, "web": 1},
        "stage": {"stage of call.answered": 1, "stage of order.placed": 2},
        "category": {"staff": 3},
        "driver": {"speed": 3},
        "control": {"owned": 3},
        "place": {"store/2": 2},
    }
    assert cells["category"]["staff"][:3] == person.read()


def test_of_many_values_those_are_told_that_most_was_seen_of() -> None:
    seen = {"a": 1, "b": 3, "c": 2, "d": 3, "e": 0}
    events = [Event(("t", name, ""), NOW - hour, MICRO) for name, hours in seen.items() for hour in range(hours)]
    events += [Event(("t", "e", ""), NOW, 0, 0)]
    triples = sorted({event.leaf for event in events})
    columns = [(triples.index(e.leaf), e.hour, e.v, e.q) for e in events]
    leaf, hour, v, q = np.array(columns, dtype=np.int64).T
    tallies = fold(owner=np.zeros_like(leaf), leaf=leaf, hour=hour, v=v, q=q)
    catalogue = Catalogue({}, Parameters())

    def told(values_max: int | None) -> Dimensions:
        leaves = Leaves.of(catalogue, triples)
        return read_dimensions(
            tallies, facts=NO_FACTS, leaves=leaves, at_hour=NOW, parameters=catalogue.parameters, values_max=values_max
        )

    whole = told(None)
    assert list(whole.cells["channel"]) == list("abcde")
    assert whole.left_out == {}
    for values_max, names in ((1, "b"), (2, "bd"), (3, "bcd"), (4, "abcd"), (5, "abcde")):
        some = told(values_max)
        assert some.cells["channel"] == {name: whole.cells["channel"][name] for name in names}
        assert some.left_out == ({"channel": 5 - values_max} if values_max < 5 else {})


def test_events_of_the_future_and_of_401_days_ago_do_not_count() -> None:
    inside = [Event(LEAVES[20], NOW, MICRO), Event(LEAVES[20], NOW - HOURS_KEPT + 1, MICRO)]
    outside = [Event(LEAVES[20], NOW + 1, -MICRO), Event(LEAVES[20], NOW - HOURS_KEPT, -MICRO)]

    assert Person(inside + outside).read() == Person(inside).read()
    assert Person(outside).dimensions() == {name: {} for name in DIMENSIONS}
    assert Person(outside).receipt().leaves == []


def test_an_owner_without_tallies_is_read_as_unknown() -> None:
    model = MODELS[0]

    overall, day = read(
        tallied([Event(LEAVES[20], NOW, MICRO)], owner=1),
        facts=NO_FACTS,
        owners=3,
        leaves=Leaves.of(catalogue_of(model), LEAVES),
        at_hour=NOW,
        parameters=Parameters(),
        windows_h=[None, 24],
    )

    assert overall.score.tolist()[::2] == [50, 50]
    assert overall.confidence.tolist()[::2] == [0, 0]
    assert day.score[1] > 50


def test_decay_halves_every_half_life_and_ends_with_a_zero() -> None:
    table = decay_table(30.0)

    assert table[0] == 1
    assert table[720] == 0.5
    assert table[HOURS_KEPT] == 0
    assert (np.diff(table) < 0).all()


ORDERED, CALLED, MISSED, VIEWED = (
    (name, "any", "") for name in ("order.placed", "call.answered", "delivery.missed", "web.viewed")
)


def test_a_new_customers_disaster_is_a_significant_change() -> None:
    change = Person([Event(MISSED, NOW - 48, -900_000), Event(CALLED, NOW, -MICRO)]).change()

    assert change.significant
    assert change.faded == 0
    assert change.points == change.came < -30


def test_one_small_matter_is_no_significant_change() -> None:
    small = Person([Event(CALLED, NOW, -300_000)])

    assert not small.change().significant
    assert not Person([Event(VIEWED, NOW - hour, -MICRO) for hour in range(20)]).change().significant


def test_silence_is_never_significant_however_far_a_score_fades() -> None:
    old = Person([Event(MISSED, NOW - 169, -MICRO), Event(ORDERED, NOW - 169, -MICRO)], MODELS[4])

    change = old.change()

    assert change.came == 0
    assert change.faded > 5
    assert not change.significant


def test_what_came_must_move_the_score_the_way_it_moved() -> None:
    # Much that was bad has faded, and a little that is bad came: the score rose, and nobody did anything for it.
    person = Person(
        [*(Event(MISSED, NOW - 168 - hour, -MICRO) for hour in range(3)), Event(CALLED, NOW, -MICRO)], MODELS[4]
    )

    change = person.change()

    assert change.came < 0 < change.points
    assert not change.significant


def test_leaves_rank_in_text_order_of_touchpoint_channel_and_place() -> None:
    triples = [("b.a", "web", ""), ("a.b", "web", "store/2"), ("a.b", "web", "store/10"), ("a.b", "any", "ż")]

    leaves = Leaves.of(Catalogue({}, Parameters()), triples)

    assert leaves.rank.tolist() == [3, 2, 1, 0]
    assert not leaves.ranked
    assert Leaves.of(Catalogue({}, Parameters()), sorted(triples)).ranked


@pytest.mark.parametrize("seed", range(8))
def test_leaves_that_come_later_rank_as_if_all_had_come_at_once(seed: int) -> None:
    dice = random.Random(seed)
    triples = [(f"t.{dice.randrange(9)}", dice.choice("ab"), f"store/{number}") for number in range(60)]
    numbers = dice.sample(range(200), len(triples))
    numbered = list(zip(numbers, triples, strict=True))

    grown = Leaves(Catalogue({}, Parameters()))
    while numbered:
        size = dice.randrange(1, 9)
        grown.learn(numbered[:size])
        numbered = numbered[size:]

    at_once = Leaves.of(Catalogue({}, Parameters()), triples)
    assert grown.rank[numbers].tolist() == at_once.rank.tolist()
    assert [grown.triples[number] for number in numbers] == triples
    assert grown.weight[numbers].tolist() == at_once.weight.tolist()
    assert set(grown.unknown(np.arange(201)).tolist()) == set(range(201)) - set(numbers)


def test_a_touchpoint_outside_the_catalogue_counts_a_tenth_and_is_called_unknown() -> None:
    catalogue = Catalogue({}, Parameters())

    leaves = Leaves.of(catalogue, [("x.new_thing", "web", "")])

    assert leaves.weight.tolist() == [0.1]
    for dimension in ("stage", "category", "driver", "control"):
        codes, values = leaves.dimension(dimension)
        assert (codes.tolist(), values) == ([0], ("unknown",))


def test_a_touchpoint_outside_the_catalogue_may_carry_its_own_valence() -> None:
    catalogue = Catalogue({}, Parameters())

    def judged(valence: float | None) -> object:
        return catalogue.impression(
            "x.new_thing", Arguments(occurred_at_us=0, valence=valence, rating_value=4, properties={"minutes": 3})
        )

    assert judged(0.25) == Impression(v=250_000, q=MICRO, overridden=False)
    assert judged(-9) == Impression(v=-MICRO, q=MICRO, overridden=False)
    assert judged(None) == Impression(v=0, q=0, overridden=False)


def test_a_touchpoint_outside_the_catalogue_feels_as_its_rating_when_that_names_its_scale() -> None:
    def judged(scale: str | ScalePoints | None, valence: float | None = None) -> object:
        arguments = Arguments(
            occurred_at_us=0, valence=valence, stake=0.5, rating_scale=scale, rating_value=1, properties={}
        )
        return Catalogue({}, Parameters()).impression("hotel.stay_rated", arguments)

    assert judged("stars5") == Impression(v=-MICRO, q=MICRO // 2, overridden=False)
    assert judged((0.0, 5.0, 10.0)) == Impression(v=-800_000, q=MICRO // 2, overridden=False)
    assert judged("stars5", valence=0.25) == Impression(v=250_000, q=MICRO // 2, overridden=False)
    assert judged(None) == Impression(v=0, q=0, overridden=False)


def test_a_machines_signal_is_counted_without_a_stake() -> None:
    person = catalogue_of(MODELS[0])
    arguments = Arguments(occurred_at_us=0, valence=0.5, properties={"machine_made": True})

    assert person.impression("x.opened", arguments) == Impression(v=500_000, q=0, overridden=False)


def test_a_changed_weight_or_parameter_is_another_model() -> None:
    versions = {catalogue_of(model).model_version for model in MODELS}

    assert len(versions) == len(MODELS)
    assert Catalogue({}, Parameters()).model_version == Catalogue({}, Parameters()).model_version
    assert all(len(version) == 12 for version in versions)
