"""What was lived, as columns: the evidence in them is that of the score, and guesses go by the latest and by nothing older."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from services.commands.fitting.fit import scores_of
from services.core.catalogue import Catalogue
from services.core.dimensions import Leaf
from services.core.facts import KEEPS, NO_FACTS, STATES, Fact, Facts, PersonFacts
from services.core.instants import HOUR_US
from services.core.learning import BetaForm, prior_of
from services.core.lived import History, guesses, lived
from services.core.promise_kinds import PromiseKind, PromiseKinds
from services.core.tallies import merge
from services.core.valence import Kept, Late
from services.infra.catalogue.reading import load_catalogue
from tests.reference.scoring import MICRO, Event
from tests.reference.scoring import Leaf as Triple
from tests.unit.core.histories import LEAVES, NOW, Family, Person, catalogue_of, families, tallied

OURS = load_catalogue()


def history_of(lives: Sequence[Sequence[Event]], leaves: Sequence[Triple], *, facts: Facts = NO_FACTS) -> History:
    tallies = merge([tallied(life, numbering=leaves, owner=owner) for owner, life in enumerate(lives)])
    return History(tallies, [Leaf(*leaf) for leaf in leaves], facts, np.full(len(lives), NOW))


def log_odds(history: History, catalogue: Catalogue) -> list[float]:
    """What a fit begins with: the risk that the score itself tells."""
    whole = lived(history, catalogue=catalogue)
    bad = np.arange(whole.owners) % 2 == 0
    form = BetaForm(whole, bad, prior_of(catalogue, whole), strength=1.0)
    start = form.start
    start[-1] = 0.0
    odds: list[float] = form.log_odds(start).tolist()
    return odds


@given(families)
def test_a_fit_begins_at_the_score_itself(family: Family) -> None:
    catalogue = catalogue_of(family.model)

    found = log_odds(history_of(family.histories, LEAVES), catalogue) if family.histories else []

    scores = [Person(history, family.model).read().score for history in family.histories]
    assert found == pytest.approx([math.log((100 - score) / score) for score in scores], abs=1e-9)


ORDERED, ARRIVED, MISSED = "order.placed", "parcel.arrived", "delivery.missed"
KIND = PromiseKind(
    name="order",
    shares="order",
    key="order",
    felt=Late(None),
    due="due",
    missed=MISSED,
    states=(ORDERED,),
    keeps=(ARRIVED,),
)


def with_promises() -> Catalogue:
    """A catalogue of an order that is promised for a day, and of the parcel that keeps it."""
    one = catalogue_of(Person([]).model)
    entries = {**one.entries, ARRIVED: replace(one.entries[MISSED], name=ARRIVED, weight=1.5, valence=Kept(Late(None)))}
    return replace(one, entries=entries, promises=PromiseKinds({KIND.name: KIND}))


def fact_of(touchpoint: str, *, owner: int, role: str, hour: int, due: int | None) -> Fact:
    return Fact(
        identity=owner,
        kind="order",
        key=f"order/{owner}",
        part="",
        role=role,
        source="shop",
        event_id=f"{owner}-{role}",
        occurred_us=hour * HOUR_US,
        received_hour=hour,
        due_us=None if due is None else due * HOUR_US,
        v=0,
        q=MICRO,
        leaf=Leaf(touchpoint, "web", ""),
    )


def test_promises_count_in_a_fit_as_in_the_score() -> None:
    """Kept early, kept late (mostly made up for, by the weight of what was missed), open past its day, open before it."""
    catalogue = with_promises()
    dues, kept = (NOW - 50, NOW - 50, NOW - 50, NOW + 50), (NOW - 60, NOW - 20, None, None)
    people = {}
    for owner, (due, keeps) in enumerate(zip(dues, kept, strict=True)):
        facts = [fact_of(ORDERED, owner=owner, role=STATES, hour=NOW - 100, due=due)]
        if keeps is not None:
            facts.append(fact_of(ARRIVED, owner=owner, role=KEEPS, hour=keeps, due=None))
        people[owner] = PersonFacts([owner], facts)
    lives = [[Event(("order.placed", "web", ""), NOW - 100, 400_000)] for _ in dues]
    history = history_of(lives, LEAVES, facts=Facts(people))

    found = log_odds(history, catalogue)

    scores = scores_of(history, catalogue)
    assert found == pytest.approx(np.log((100 - scores) / scores).tolist(), abs=1e-9)
    early, late, overdue, waiting = scores
    assert early > waiting > late > overdue


def test_of_several_people_those_are_kept_that_are_asked_for() -> None:
    lives = [[Event(LEAVES[0], NOW - 9600, 1)], [Event(LEAVES[0], NOW, 1)], [], [Event(LEAVES[1], NOW - 9599, 0)]]
    history = history_of(lives, LEAVES)

    heard = history.of(history.heard)

    assert history.heard.tolist() == [False, True, False, True]
    assert heard.tallies.owner.tolist() == [0, 1]
    assert heard.heard.all()


def test_guesses_go_by_the_latest_answer_and_delay_and_by_all_that_was_felt() -> None:
    leaves = [(name, "any", "") for name in ("survey.csat", "delivery.delivered", "payment.failed")]
    survey, delivered, failed = leaves
    life = [
        Event(survey, NOW - 90, -500_000),
        Event(survey, NOW - 9, 1_000_000),
        Event(survey, NOW - 9, 500_000),
        Event(delivered, NOW - 30, -800_000),
        Event(delivered, NOW - 10, 200_000),
        Event(failed, NOW - 3, -700_000, 0),
        Event(failed, NOW - 2, -700_000),
        Event(failed, NOW - 1, -700_000),
    ]

    found = guesses(lived(history_of([life, []], leaves), catalogue=OURS), OURS)

    assert found["last survey"].scores.tolist() == pytest.approx([0.75, 0])
    assert found["last delay"].scores.tolist() == pytest.approx([0.2, 0])
    assert found["plain mean"].scores.tolist() == pytest.approx([-1 / 7, 0])
    assert found["count of bad"].scores.tolist() == [-4, 0]
    assert {one.known for one in found.values()} == {1}
