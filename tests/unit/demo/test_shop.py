"""The simulated shop: the same for a seed, five kinds of people, an outage that hurts and a recovery that helps."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from services.core.catalogue import Arguments, Catalogue, Impression
from services.core.dimensions import Leaves
from services.core.facts import NO_FACTS
from services.core.scoring import read
from services.core.tallies import fold
from services.demo.personas import PERSONAS
from services.demo.senders import server_event
from services.demo.shop import CYCLE_S, HISTORY_DAYS, Happening, Phase, Shop, open_shop, phase_at
from services.demo.stories import STORIES
from services.demo.traffic import Traffic, Way, told_later, told_now
from services.infra.catalogue.reading import load_catalogue

NOW = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
CUSTOMERS = 40


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def shop(seed: int = 7, customers: int = CUSTOMERS) -> Shop:
    return open_shop(rng=random.Random(seed), customers=customers)


def told(shop_: Shop, *, events: int, phase: Phase, start: datetime = NOW) -> list[Happening]:
    return [shop_.next(now=start + timedelta(milliseconds=50 * i), phase=phase) for i in range(events)]


def scores(happenings: Iterable[Happening], *, catalogue: Catalogue, now: datetime = NOW) -> Mapping[str, float]:
    """Every customer's score, read by the core alone; each customer's names count as one person."""
    owners: dict[str, int] = {}
    leaves: dict[tuple[str, str, str], int] = {}
    columns: list[tuple[int, int, int, int, int]] = []
    for happening in happenings:
        body: Mapping[str, Any] = happening.body
        rating = body.get("rating", {})
        impression = catalogue.impression(
            body["touchpoint"],
            Arguments(
                occurred_at_us=int(happening.at.timestamp()) * 1_000_000,
                rating_scale=rating.get("scale"),
                rating_value=rating.get("value"),
                valence=None,
                stake=None,
                properties=body.get("properties", {}),
            ),
        )
        assert isinstance(impression, Impression), (body, impression)
        columns.append(
            (
                owners.setdefault(happening.customer.name, len(owners)),
                leaves.setdefault((body["touchpoint"], body["channel"], body.get("place", "")), len(leaves)),
                int(happening.at.timestamp()) // 3600,
                impression.v,
                impression.q,
            )
        )
    owner, leaf, hour, v, q = (np.array(column, dtype=np.int64) for column in zip(*columns, strict=True))
    reading = read(
        fold(owner=owner, leaf=leaf, hour=hour, v=v, q=q),
        facts=NO_FACTS,
        owners=len(owners),
        leaves=Leaves.of(catalogue, list(leaves)),
        at_hour=int(now.timestamp()) // 3600,
        parameters=catalogue.parameters,
        windows_h=[None],
    )[0]
    return {name: float(reading.score[number]) for name, number in owners.items()}


def persona_of(name: str) -> str:
    return name.split("-", maxsplit=1)[0]


def test_the_same_seed_gives_the_same_events() -> None:
    one, other, third = shop(), shop(), shop(seed=8)

    first = one.history(now=NOW) + told(one, events=300, phase=Phase.OUTAGE)
    second = other.history(now=NOW) + told(other, events=300, phase=Phase.OUTAGE)

    assert first == second
    assert first != third.history(now=NOW) + told(third, events=300, phase=Phase.OUTAGE)


def test_every_story_names_only_touchpoints_of_the_catalogue(catalogue: Catalogue) -> None:
    for name, steps in STORIES.items():
        for step in steps:
            assert step.touchpoint in catalogue.entries, name


def test_every_story_is_somebodys() -> None:
    told_by = {story for persona in PERSONAS for story in (*persona.stories, persona.introduction)}

    assert {name for name in STORIES if not name.startswith(("outage_", "made_good_"))} == told_by


def test_the_history_lies_in_the_past_and_reaches_everybody() -> None:
    past = shop().history(now=NOW)

    assert all(NOW - timedelta(days=HISTORY_DAYS) <= happening.at < NOW for happening in past)
    assert all(one.at <= other.at for one, other in pairwise(past))
    assert len({happening.customer.name for happening in past}) == CUSTOMERS
    assert {persona_of(happening.customer.name) for happening in past} == {persona.name for persona in PERSONAS}
    assert any(NOW - happening.at < timedelta(hours=24) for happening in past)
    assert any(NOW - happening.at > timedelta(hours=24) for happening in past)


def test_the_shop_has_every_channel_and_every_way_to_know_somebody() -> None:
    past = shop().history(now=NOW)
    bodies: list[Mapping[str, Any]] = [happening.body for happening in past]

    channels = {body["channel"] for body in bodies}
    named = {tuple(identity["kind"] for identity in body["identities"]) for body in bodies}

    assert {"web", "pos", "delivery", "contact_centre", "survey"} <= channels
    assert {("anonymous",), ("customer",), ("loyalty",), ("email",)} <= named
    assert {("customer", "anonymous"), ("customer", "loyalty"), ("customer", "email")} <= named


def test_even_five_customers_are_five_personas() -> None:
    people = shop(customers=5).customers

    assert {customer.persona.name for customer in people} == {persona.name for persona in PERSONAS}


def test_personas_differ_in_how_they_fare(catalogue: Catalogue) -> None:
    by_persona: dict[str, list[float]] = defaultdict(list)
    for seed in range(3):
        for name, score in scores(shop(seed).history(now=NOW), catalogue=catalogue).items():
            by_persona[persona_of(name)].append(score)

    mean = {persona: sum(values) / len(values) for persona, values in by_persona.items()}

    assert mean["regular"] > 75
    assert mean["unlucky"] < 40
    assert mean["unlucky"] + 20 < mean["bargain"] < mean["regular"]


@pytest.mark.parametrize("seed", range(5))
def test_the_outage_drops_those_it_touches_and_the_recovery_lifts_them(catalogue: Catalogue, seed: int) -> None:
    trade = shop(seed)
    events = [*trade.history(now=NOW), *told(trade, events=60, phase=Phase.NORMAL)]
    before = scores(events, catalogue=catalogue)
    events += told(trade, events=120, phase=Phase.OUTAGE)
    broken = scores(events, catalogue=catalogue)
    events += told(trade, events=160, phase=Phase.RECOVERY)
    mended = scores(events, catalogue=catalogue)

    touched = {customer.name for customer in trade.touched}
    recovered = {customer.name for customer in trade.recovered}
    drops = [before[name] - broken[name] for name in touched]
    lifts = [mended[name] - broken[name] for name in recovered]

    assert 5 <= len(touched) <= CUSTOMERS * 0.5
    assert len(recovered) >= len(touched) / 2
    assert all(drop > 0 for drop in drops)
    assert sum(drops) / len(drops) > 10
    assert sum(lifts) / len(lifts) > 5
    assert sum(lift > 0 for lift in lifts) >= 0.8 * len(lifts)


def test_an_outage_leaves_the_others_as_they_were(catalogue: Catalogue) -> None:
    trade = shop()
    events = [*trade.history(now=NOW), *told(trade, events=60, phase=Phase.NORMAL)]
    before = scores(events, catalogue=catalogue)

    events += told(trade, events=120, phase=Phase.OUTAGE)

    touched = {customer.name for customer in trade.touched}
    after = scores(events, catalogue=catalogue)
    others = [after[name] - before[name] for name in before if name not in touched]
    assert abs(sum(others) / len(others)) < 5


def test_a_recovery_speaks_of_the_case_that_the_outage_opened() -> None:
    trade = shop()
    told(trade, events=10, phase=Phase.NORMAL)
    broken = told(trade, events=100, phase=Phase.OUTAGE)
    mended = told(trade, events=100, phase=Phase.RECOVERY)

    opened = {(h.customer.name, h.body["case"]) for h in broken if h.body["touchpoint"] == "case.opened"}
    resolved = {
        (h.customer.name, h.body["case"])
        for h in mended
        if h.body["touchpoint"] == "case.resolved" and h.customer in trade.recovered
    }
    assert len(opened & resolved) >= 5


@pytest.mark.parametrize("seconds", [5, 20, 600])
def test_a_run_of_any_length_has_every_phase_in_order(seconds: int) -> None:
    phases = [phase_at(i * seconds / 100, seconds=seconds) for i in range(101)]

    assert list(dict.fromkeys(phases)) == [Phase.NORMAL, Phase.OUTAGE, Phase.RECOVERY]
    assert min(Counter(phases).values()) >= 25


def test_a_run_without_an_end_goes_round() -> None:
    assert phase_at(CYCLE_S * 0.5, seconds=None) is Phase.OUTAGE
    assert phase_at(CYCLE_S * 1.1, seconds=None) is Phase.NORMAL


def test_traffic_counts_what_must_become_of_everything_it_sends() -> None:
    trade = shop()
    past = trade.history(now=NOW)
    traffic = Traffic()

    sent = [server_event(message) for message in traffic.mix(map(told_later, past))]

    expected = traffic.expected
    copies = Counter(sent)
    ids = defaultdict(set)
    for event in sent:
        ids[event.id].add(event.encoded)
    assert expected.sent == len(sent)
    assert expected.applied == len(past)
    assert expected.duplicate == sum(count - 1 for count in copies.values()) >= 1
    assert expected.conflict == sum(len(bodies) - 1 for bodies in ids.values()) >= 1
    assert expected.rejected == sum(event.id.endswith("-bad") for event in sent) >= 1


def test_nothing_goes_wrong_at_a_till_and_a_carrier_only_says_things_twice() -> None:
    trade = shop()
    traffic = Traffic()

    sent = list(traffic.mix(map(told_now, told(trade, events=2000, phase=Phase.NORMAL))))

    twice = Counter((message.way, message.id) for message in sent)
    assert {message.way for message in sent if message.changes} == {Way.SERVER, Way.PAGE}
    assert {way for (way, _), count in twice.items() if count > 1} <= {Way.SERVER, Way.PAGE, Way.CARRIER}
    assert traffic.expected.sent == len(sent)
