"""Random histories for the laws, and the product's reading of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from random import Random
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from services.core.catalogue import Catalogue, Entry, Parameters
from services.core.change import Change, Moves, read_changes, read_moves
from services.core.dimensions import Leaves
from services.core.facts import NO_FACTS
from services.core.scoring import Cell, Reading, Receipt, read, read_dimensions, receipt
from services.core.tallies import Tallies, fold
from services.core.valence import NoValence
from tests.reference.scoring import MICRO, Event, Leaf, Model

NOW = 500_000
"""An hour of the year 2027."""

WEEK = 168

WEIGHTS = {"web.viewed": 0.02, "call.answered": 0.8, "order.placed": 1.0, "delivery.missed": 3.0, "link.made": 0.0}
LEAVES: tuple[Leaf, ...] = tuple(product(WEIGHTS, ("web", "any"), ("", "store/2", "store/10")))
FREQUENT = (*[LEAVES[20]] * 10, *[LEAVES[21]] * 4, *LEAVES[::2], *LEAVES[1:7:2])
"""Where events happen: half of them in two leaves, so that tallies merge and saturate; 32."""
MODELS = (
    Model(WEIGHTS),
    Model(WEIGHTS, lam=1.0),
    Model(WEIGHTS, beta=0.0),
    Model(WEIGHTS, beta=1.0, cap=0.7),
    Model(WEIGHTS, h=7.0),
    Model(WEIGHTS, p=0.7, kappa=1.3),
)
WINDOWS_H = (None, 24, 168, 720, 2160)

AGES = (
    *([0] * 40 + [1] * 12),
    *(-30, -1, 2, 3, 23, 24, 167, 168, 719, 720, 2159, 2160, 9598, 9599, 9600, 9700),
    *range(48, 4088, 68)[:60],
)
VALENCES = (0, 1, -1, MICRO, -MICRO, 500_000, -500_000, *range(-MICRO + 7, MICRO, 16_529)[:121])
STAKES = (MICRO, MICRO, 2 * MICRO, 0, 1, 333_333, 999_999, 1_500_001)
"""Edges, and between them numbers that are not round; 128, 128 and 8 of them. Half of the events share their hour."""


def event_of(octets: bytes) -> Event:
    """Decode an event from 23 of 32 bits."""
    code, leaf = divmod(int.from_bytes(octets), 32)
    code, age = divmod(code, len(AGES))
    code, valence = divmod(code, len(VALENCES))
    return Event(LEAVES[leaf % len(LEAVES)], NOW - AGES[age], VALENCES[valence], STAKES[code % len(STAKES)])


def history_of(octets: bytes) -> list[Event]:
    """Decode up to eight events: one draw a history keeps thousands of them within seconds."""
    size = min(octets[0] % 16, EVENTS_MAX)
    return [event_of(octets[1 + 4 * i : 5 + 4 * i]) for i in range(size)]


EVENTS_MAX = 8
HISTORY_OCTETS = 1 + 4 * EVENTS_MAX


def parameters_of(model: Model) -> Parameters:
    return Parameters(
        lambda_=model.lam, beta=model.beta, kappa=model.kappa, prior=model.p, cap=model.cap, half_life_days=model.h
    )


def catalogue_of(model: Model) -> Catalogue:
    entries = {
        name: Entry(
            name=name,
            channel="any",
            stage=f"stage of {name}",
            category="staff",
            control="owned",
            driver="speed",
            weight=weight,
            valence=NoValence(),
        )
        for name, weight in model.weights.items()
    }
    return Catalogue(entries, parameters_of(model))


LEAVES_OF = {id(model): Leaves.of(catalogue_of(model), LEAVES) for model in MODELS}


def leaves_of(model: Model) -> Leaves:
    """The leaves as a model weighs them, numbered once for each of the usual models."""
    return LEAVES_OF.get(id(model)) or Leaves.of(catalogue_of(model), LEAVES)


UNSORTED = tuple(reversed(LEAVES[1:])) + LEAVES[:1]


def tallied(history: Sequence[Event], *, numbering: Sequence[Leaf] = LEAVES, owner: int = 0) -> Tallies:
    """Fold a history with the product's code."""
    number = {leaf: i for i, leaf in enumerate(numbering)}
    columns = np.array([(number[e.leaf], e.hour, e.v, e.q) for e in history], dtype=np.int64).reshape(-1, 4)
    leaf, hour, v, q = columns.T
    return fold(owner=np.full(len(history), owner, dtype=np.int64), leaf=leaf, hour=hour, v=v, q=q)


@dataclass(frozen=True)
class Person:
    """One person's history under a model, read with the product's code."""

    history: Sequence[Event]
    model: Model = MODELS[0]
    at: int = NOW

    def read(self, window_h: int | None = None) -> Reading[float]:
        readings = read(
            tallied(self.history),
            facts=NO_FACTS,
            owners=1,
            leaves=LEAVES_OF[id(self.model)],
            at_hour=self.at,
            parameters=parameters_of(self.model),
            windows_h=[window_h],
        )
        return Reading(*(float(column[0]) for column in readings[0]))

    def dimensions(self, window_h: int | None = None) -> dict[str, dict[str, Cell]]:
        return read_dimensions(
            tallied(self.history),
            facts=NO_FACTS,
            leaves=LEAVES_OF[id(self.model)],
            at_hour=self.at,
            parameters=parameters_of(self.model),
            window_h=window_h,
        ).cells

    def receipt(self, leaves_max: int | None = None) -> Receipt:
        return receipt(
            tallied(self.history),
            facts=NO_FACTS,
            leaves=LEAVES_OF[id(self.model)],
            at_hour=self.at,
            parameters=parameters_of(self.model),
            leaves_max=leaves_max,
        )

    def change(self, hours: int = WEEK) -> Change:
        (change,) = self.changes([hours])
        return change

    def changes(self, periods_h: Sequence[int]) -> list[Change]:
        return read_changes(
            tallied(self.history),
            facts=NO_FACTS,
            leaves=leaves_of(self.model),
            at_hour=self.at,
            periods_h=periods_h,
            parameters=parameters_of(self.model),
        )

    def moves(self, hours: int = WEEK, leaves_max: int | None = None) -> Moves:
        return read_moves(
            tallied(self.history),
            facts=NO_FACTS,
            leaves=leaves_of(self.model),
            at_hour=self.at,
            hours=hours,
            parameters=parameters_of(self.model),
            leaves_max=leaves_max,
        )

    def with_event(self, event: Event) -> Person:
        return replace(self, history=[*self.history, event])

    def later(self, hours: int) -> Person:
        return replace(self, at=self.at + hours)


def person_of(octets: bytes) -> Person:
    return Person(history_of(octets[1:]), MODELS[octets[0] % len(MODELS)])


class Situation(NamedTuple):
    """A person, one more event, another valence, a window to read, and hours to pass."""

    person: Person
    event: Event
    v: int
    window_h: int | None
    hours: int


def situation_of(octets: bytes) -> Situation:
    return Situation(
        person_of(octets[8:]),
        event_of(octets[4:8]),
        VALENCES[octets[0] % len(VALENCES)],
        WINDOWS_H[octets[1] % len(WINDOWS_H)],
        int.from_bytes(octets[2:4]) % HOURS_MAX,
    )


class Family(NamedTuple):
    """Up to three persons' histories, and the model they are read with."""

    histories: list[list[Event]]
    model: Model


def family_of(octets: bytes) -> Family:
    size = octets[1] % 4
    members = [history_of(octets[2 + i * HISTORY_OCTETS :]) for i in range(size)]
    return Family(members, MODELS[octets[0] % len(MODELS)])


def octets_of(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


HOURS_MAX = 9600
histories = octets_of(HISTORY_OCTETS).map(history_of)
persons = octets_of(HISTORY_OCTETS + 1).map(person_of)
situations = octets_of(HISTORY_OCTETS + 9).map(situation_of)
families = octets_of(2 + 3 * HISTORY_OCTETS).map(family_of)
shuffled_persons = octets_of(HISTORY_OCTETS + 2).map(lambda octets: (person_of(octets[1:]), Random(octets[0])))
