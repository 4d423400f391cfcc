"""Random histories of orders, cases, refunds, call-backs and carts, and the product's reading of them with facts."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.catalogue import Arguments, Catalogue, Impression, Parameters
from services.core.change import Change, Moves, read_changes, read_moves
from services.core.dimensions import Leaf, Leaves
from services.core.facts import Fact, Facts, Left, PersonFacts, Teller, facts_of
from services.core.instants import HOUR_US
from services.core.persons import LEAST_TRUST
from services.core.promises import fold as fold_promises
from services.core.scoring import (
    Cell,
    Reading,
    Receipt,
    read,
    read_dimensions,
    receipt,
)
from services.core.tallies import Tallies, fold
from services.infra.catalogue.reading import CATALOGUE_FILE, load_catalogue
from tests.reference.promises import Book, Felt, Told, read_book
from tests.reference.scoring import Model

NOW: Final = 500_000
"""An hour of the year 2027."""

CATALOGUE: Final = load_catalogue()
BOOK: Final = read_book(CATALOGUE_FILE)
MODEL: Final = Model(BOOK.weights)

MODELS: Final = (
    *[MODEL] * 3,
    replace(MODEL, lam=1.0, weights={**MODEL.weights, "delivery.promise_missed": 1.5, "case.opened": 3.0}),
    replace(MODEL, beta=1.0, cap=0.7),
    replace(MODEL, beta=0.0, h=7.0),
    replace(MODEL, p=0.7, kappa=1.3),
)


def catalogue_of(model: Model) -> Catalogue:
    """The product's catalogue, with the weights and the parameters of a model."""
    weights = {name: replace(entry, weight=model.weights[name]) for name, entry in CATALOGUE.entries.items()}
    parameters = Parameters(
        lambda_=model.lam, beta=model.beta, kappa=model.kappa, prior=model.p, cap=model.cap, half_life_days=model.h
    )
    return replace(CATALOGUE, entries=weights, parameters=parameters)


def book_of(model: Model) -> Book:
    """The same for the plain reading."""
    return Book({name: {**one, "weight": model.weights[name]} for name, one in BOOK.touchpoints.items()}, BOOK.promises)


HOUR = 3600.0
DAY = 24 * HOUR

KINDS: Final[dict[str, tuple[str, ...]]] = {
    "order": (
        *("order.completed", "delivery.dispatched", "delivery.delivered", "delivery.delivered", "pos.pickup_ready"),
        *("delivery.delay_notified", "order.updated_by_shop", "order.cancelled_by_shop", "delivery.lost_or_returned"),
        *("delivery.promise_missed", "delivery.dispatch_missed"),
    ),
    "case": (
        *("case.opened", "case.opened", "case.reopened", "case.escalated", "case.resolved", "case.resolved"),
        *("complaint.made", "callback.requested", "callback.made", "call.answered", "case.unresolved", "survey.csat"),
    ),
    "refund": ("refund.requested", "refund.completed", "order.completed", "delivery.damaged"),
    "cart": ("web.cart_added", "web.checkout_started", "order.completed", "web.cart_abandoned"),
    "other": ("web.page_viewed", "survey.csat", "delivery.damaged", "never.declared", "call.answered"),
}
PARCELS: Final = ("order.completed", "delivery.dispatched", "delivery.dispatched", *["delivery.delivered"] * 3)
"""What happens to an order that comes in several parcels."""

STAKES = (*[None] * 6, 0.0, 0.4, 2.0)
GAPS_H = (0, 0, 1, 3, 10, 24, 30, 72, 80, 200, 400, 1500, 5000, 9590)
STEPS_H = (*(0, 0, 0, 1, 3, 10, 24, 30) * 4, 72, 80, 200, 400, 1500)


def instant(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat().replace("+00:00", "Z")


def due_of(random: Random, at_us: int) -> str:
    """A promise for some time around: an instant, or a day in some zone."""
    due_us = at_us + random.choice((-80, -3, 1, 20, 60, 100, 500)) * HOUR_US + random.randrange(HOUR_US)
    day = instant(due_us)[:10]
    return random.choice((instant(due_us), instant(due_us), day, f"{day}+02:00", f"{day}-11:30"))


def about(random: Random, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an event names: in its data, and among its properties."""
    data: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    if kind in {"order", "refund", "cart"} and random.random() < 0.85:
        data["order"] = random.choice(("o1", "o1", "o2"))
    if kind in {"case", "other"} and random.random() < 0.8:
        data["case"] = random.choice(("c1", "c1", "c2"))
    if kind == "order" and random.random() < 0.2:
        data["case"] = "c1"
    if kind == "order" and random.random() < 0.45:
        properties[random.choice(("parcel", "parcel", "line"))] = random.choice(("p1", "p2", 3))
    if kind == "parcels":
        data["order"] = "o1"
        properties |= {"parcel": random.choice(("p1", "p2", "p3"))} if random.random() < 0.9 else {}
    if kind == "refund" and random.random() < 0.4:
        properties["refund"] = random.choice(("r1", "r2"))
    if kind == "cart" and random.random() < 0.9:
        properties["cart"] = "k1"
    return data, properties


def event_of(random: Random, number: int, *, kind: str, at_us: int) -> Told:
    """One event; half of what it could say of promises it says."""
    data, properties = about(random, kind)
    touchpoint = random.choice(KINDS.get(kind, PARCELS))
    for name, share in (("promised_at", 0.4), ("pickup_by", 0.15), ("ship_by", 0.25), ("due", 0.3)):
        if random.random() < share:
            properties[name] = due_of(random, at_us)
    if random.random() < 0.15:
        properties["hours_late"] = random.choice((-30, 0, 5.5, 90, 3000))
    if random.random() < 0.3:
        properties["wait_seconds"] = random.choice((0, 30, HOUR, 2 * DAY, 5 * DAY, 40 * DAY, 300 * DAY))
    if random.random() < 0.04:
        properties["machine_made"] = True
    stake = random.choice(STAKES)
    data |= {"touchpoint": touchpoint, "channel": random.choice(("web", "any")), "properties": properties}
    data |= {} if stake is None else {"stake": stake}
    data |= {"rating": {"value": random.choice((1, 3, 5))}} if touchpoint == "survey.csat" else {}
    data |= {"place": "carrier/x"} if random.random() < 0.3 else {}
    hour = at_us // HOUR_US
    return Told(
        who=random.choice((0, 0, 0, 1, 2)),
        source=random.choice(("shop", "carrier")),
        id=f"e{number}",
        at=at_us,
        known=hour + random.choice((0, 0, 1, 50, 2000)),
        data=data,
        browser=random.random() < 0.08,
    )


def history_of(random: Random) -> list[Told]:
    """Up to a dozen events of three identities, of one subject or of several, in the order in which they happened."""
    subjects = random.sample((*KINDS, "parcels", "parcels"), random.choice((1, 1, 1, 2, 5)))
    at_us = (NOW - sum(random.choice(GAPS_H) for _ in range(3))) * HOUR_US
    history = []
    for number in range(random.randint(2, 12)):
        at_us += random.choice(STEPS_H) * HOUR_US + random.choice((0, 0, random.randrange(HOUR_US)))
        history.append(event_of(random, number, kind=random.choice(subjects), at_us=at_us))
    return history


def arguments_of(told: Told) -> Arguments:
    rating = told.data.get("rating")
    return Arguments(
        occurred_at_us=told.at,
        properties=told.properties,
        rating_scale=None,
        rating_value=None if rating is None else rating["value"],
        stake=told.data.get("stake"),
    )


def left_by(told: Told, catalogue: Catalogue = CATALOGUE) -> tuple[Impression, Left]:
    """What the product keeps of an event."""
    arguments = arguments_of(told)
    impression = catalogue.impression(told.touchpoint, arguments)
    assert isinstance(impression, Impression), impression
    teller = Teller(
        leaf=Leaf(*told.leaf),
        order=told.named("order"),
        case=told.named("case"),
        source=told.source,
        event_id=told.id,
        received_us=told.known * HOUR_US,
        trust=LEAST_TRUST if told.browser else 0,
    )
    left = facts_of(teller, arguments, impression, catalogue=catalogue)
    return impression, left._replace(facts=tuple(fact._replace(identity=told.who) for fact in left.facts))


@dataclass(frozen=True)
class Person:
    """A history, of whom it is read, when, and by which catalogue."""

    history: Sequence[Told]
    mine: frozenset[int] = frozenset({0, 1})
    at: int = NOW
    catalogue: Catalogue = CATALOGUE
    facts: Sequence[Fact] | None = None
    """Instead of those of the history."""
    model: Model = MODEL

    def stored(self) -> tuple[Tallies, Leaves, Facts]:
        """What the product has of this person: facts of others only where they share a name."""
        kept = [(told, *left_by(told, self.catalogue)) for told in self.history]
        facts = [fact for *_, left in kept for fact in left.facts] if self.facts is None else [*self.facts]
        about = Facts({0: PersonFacts(self.mine, facts)})
        triples = sorted({Leaf(*told.leaf) for told, *_ in kept} | about.leaves(self.catalogue))
        leaves = Leaves.of(self.catalogue, triples)
        number = {leaf: place for place, leaf in enumerate(triples)}
        own = [(number[Leaf(*t.leaf)], t.hour, i.v, left.q) for t, i, left in kept if t.who in self.mine]
        leaf, hour, v, q = np.array(own, dtype=np.int64).reshape(-1, 4).T
        return fold(owner=np.zeros_like(leaf), leaf=leaf, hour=hour, v=v, q=q), leaves, about

    def read(
        self, window_h: int | None = None, *, stored: tuple[Tallies, Leaves, Facts] | None = None
    ) -> Reading[float]:
        tallies, leaves, facts = stored or self.stored()
        (reading,) = read(
            tallies,
            facts=facts,
            owners=1,
            leaves=leaves,
            at_hour=self.at,
            parameters=self.catalogue.parameters,
            windows_h=[window_h],
        )
        return Reading(*(float(column[0]) for column in reading))

    def receipt(self) -> tuple[Receipt, Leaves]:
        tallies, leaves, facts = self.stored()
        parameters = self.catalogue.parameters
        return receipt(tallies, facts=facts, leaves=leaves, at_hour=self.at, parameters=parameters), leaves

    def dimensions(self, window_h: int | None = None) -> dict[str, dict[str, Cell]]:
        tallies, leaves, facts = self.stored()
        parameters = self.catalogue.parameters
        return read_dimensions(
            tallies, facts=facts, leaves=leaves, at_hour=self.at, parameters=parameters, window_h=window_h
        ).cells

    def change(self, hours: int) -> Change:
        tallies, leaves, facts = self.stored()
        parameters = self.catalogue.parameters
        (change,) = read_changes(
            tallies, facts=facts, leaves=leaves, at_hour=self.at, periods_h=[hours], parameters=parameters
        )
        return change

    def moves(self, hours: int) -> Moves:
        tallies, leaves, facts = self.stored()
        parameters = self.catalogue.parameters
        return read_moves(tallies, facts=facts, leaves=leaves, at_hour=self.at, hours=hours, parameters=parameters)

    def felt(self) -> list[Felt]:
        """What promises make the person feel."""
        _, _, facts = self.stored()
        return [
            Felt(one.key, one.leaf, one.hour, one.v, one.q, one.weight, one.recovers)
            for one in fold_promises(facts.people[0], catalogue=self.catalogue, at_hour=self.at).felt
        ]

    def with_event(self, told: Told) -> Person:
        return replace(self, history=[*self.history, told])

    def later(self, hours: int) -> Person:
        return replace(self, at=self.at + hours)


def person_of(random: Random) -> Person:
    """Anybody, at an hour before, among or after what happened."""
    history = history_of(random)
    model = random.choice(MODELS)
    at = random.choice([told.hour for told in history[-3:]]) + random.choice(
        (0, 0, 0, 0, 1, 5, 30, 90, 400, 1600, 4000)
    )
    return Person(
        history, frozenset(random.choice(({0}, {0, 1}, {0, 1}, {0, 1, 2}))), at, catalogue_of(model), model=model
    )


randoms = st.integers(0, 2**48).map(Random)
"""A number a history: thousands of them within seconds. A history that fails is made small by hand."""

TRIED: Final = (settings.default or settings()).max_examples // (1 if "LAWS_COUNT" in os.environ else 5)
"""A history of promises takes some milliseconds: a fifth of the usual counts, but for `make laws`."""


def law(test: Callable[..., None]) -> Callable[..., None]:
    """Try it on random histories."""
    tried: Callable[..., None] = settings(max_examples=TRIED)(given(random=randoms)(test))
    return tried
