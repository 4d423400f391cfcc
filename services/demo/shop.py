"""A simulated shop: seeded people to whom seeded stories happen, first in the past, then now."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from services.demo.personas import PERSONAS, Persona
from services.demo.stories import OUTAGES, PLACES, RECOVERIES, STORIES, Step, Via

VISIT: Final = Step(touchpoint="web.page_viewed", channel="web")

SOURCE: Final = "demo"
"""What the shop calls itself; the key's source stands before it."""

HISTORY_DAYS: Final = 60
"""Long enough to fill every window but the longest, short enough to be kept by every rule."""

STORIES_AT_ONCE: Final = 4
"""Customers whose stories are interleaved: enough to look busy, few enough that each story ends soon."""

TOUCHED_SHARE: Final = 0.4
"""Part of the customers an outage may reach; the others show that their scores stay."""

OUTAGE_SHARE: Final = 0.8
"""Part of the stories in an outage or a recovery that belong to it; the rest is ordinary trade."""


class Phase(StrEnum):
    """What the shop goes through."""

    NORMAL = "normal"
    OUTAGE = "outage"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """One person with all the names that different channels know them by."""

    name: str
    persona: Persona

    @property
    def identity(self) -> str:
        """The strongest identity, which names the person once the others are linked."""
        return f"customer:{self.name}"

    @property
    def email(self) -> str:
        """Where the shop writes to them."""
        return f"{self.name}@shop.example"

    def identities(self, via: Via) -> list[dict[str, str]]:
        """The identities that a step over this way names; two of them are linked by it."""
        customer = {"kind": "customer", "value": self.name}
        anonymous = {"kind": "anonymous", "value": f"visitor-{self.name}"}
        loyalty = {"kind": "loyalty", "value": f"card-{self.name}"}
        email = {"kind": "email", "value": self.email}
        named: Mapping[Via, list[dict[str, str]]] = {
            "site": [anonymous],
            "account": [customer],
            "login": [customer, anonymous],
            "till": [loyalty],
            "card": [customer, loyalty],
            "mail": [email],
            "newsletter": [customer, email],
            "order": [customer, email],
        }
        return named[via]


MYSTERY: Final = Customer(name="mystery-shopper", persona=PERSONAS[0])
"""Someone whom no other event concerns, so that a moved score can only come from the visit just made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event of the simulation: what is sent, and whom it concerns."""

    id: str
    at: datetime
    customer: Customer
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A story that happens to one customer, with the case and the order it is about."""

    name: str
    customer: Customer
    case: str
    order: str

    @property
    def steps(self) -> Sequence[Step]:
        """What happens, in order."""
        return STORIES[self.name]


@dataclass(slots=True)
class _Telling:
    """How far a live story has been told."""

    story: Story
    told: int = 0


@dataclass(slots=True, kw_only=True)
class Shop:
    """The simulation. The same random numbers, customers and times give the same events."""

    rng: random.Random
    customers: Sequence[Customer]
    _count: int = 0
    _tellings: list[_Telling] = field(default_factory=list)
    _phase: Phase = Phase.NORMAL
    _reachable: list[Customer] = field(default_factory=list)
    _touched: list[Story] = field(default_factory=list)
    _recovered: int = 0

    @property
    def touched(self) -> Sequence[Customer]:
        """Whom the last outage has reached so far."""
        return [story.customer for story in self._touched]

    @property
    def recovered(self) -> Sequence[Customer]:
        """For whom the last outage has been made good, or is being."""
        return [story.customer for story in self._touched[: self._recovered]]

    def history(self, *, now: datetime) -> list[Happening]:
        """What happened in the last weeks up to now, in order of time; every customer has some of it."""
        past: list[Happening] = []
        for customer in self.customers:
            stories = [customer.persona.introduction, *self._pick_stories(customer)]
            for name in stories:
                ago_h = self.rng.uniform(2.0, HISTORY_DAYS * 24.0)
                start = now - timedelta(hours=ago_h)
                past.extend(self._tell(self._story(name, customer), start=start, until=now))
        return sorted(past, key=lambda happening: (happening.at, happening.id))

    def next(self, *, now: datetime, phase: Phase) -> Happening:
        """The next thing that happens, at this instant and in this phase."""
        if phase is not self._phase:
            self._enter(phase)
        while len(self._tellings) < min(STORIES_AT_ONCE, len(self.customers)):
            self._tellings.append(_Telling(self._next_story(phase)))
        telling = self.rng.choice(self._tellings)
        step = telling.story.steps[telling.told]
        telling.told += 1
        if telling.told == len(telling.story.steps):
            self._tellings.remove(telling)
        return self._happen(step, telling.story, at=now)

    def mystery(self, *, now: datetime) -> Happening:
        """A visit by the mystery shopper, who belongs to no story: for measuring."""
        story = Story(name="browses", customer=MYSTERY, case="", order="")
        return self._happen(VISIT, story, at=now)

    def _enter(self, phase: Phase) -> None:
        """Begin a phase: ordinary stories stop where they are, those of the outage are told to the end."""
        self._phase = phase
        self._tellings = [t for t in self._tellings if t.story.name in (*OUTAGES, *RECOVERIES.values())]
        if phase is Phase.OUTAGE:
            reach = max(1, math.ceil(len(self.customers) * TOUCHED_SHARE))
            self._reachable = self.rng.sample(list(self.customers), reach)
            self._touched = []
            self._recovered = 0

    def _next_story(self, phase: Phase) -> Story:
        special = self.rng.random() < OUTAGE_SHARE
        if phase is Phase.OUTAGE and special and self._reachable:
            story = self._story(self.rng.choice(OUTAGES), self._reachable.pop())
            self._touched.append(story)
            return story
        if phase is Phase.RECOVERY and special and self._recovered < len(self._touched):
            broken = self._touched[self._recovered]
            self._recovered += 1
            return Story(name=RECOVERIES[broken.name], customer=broken.customer, case=broken.case, order=broken.order)
        customer = self.rng.choice(self._ordinary(phase))
        names, weights = zip(*customer.persona.stories.items(), strict=True)
        return self._story(self.rng.choices(names, weights)[0], customer)

    def _ordinary(self, phase: Phase) -> Sequence[Customer]:
        """Who goes on as ever: in an outage and after it, those it did not reach, so that the two can be told apart."""
        if phase is Phase.NORMAL:
            return self.customers
        touched = {customer.name for customer in self.touched}
        return [customer for customer in self.customers if customer.name not in touched] or self.customers

    def _pick_stories(self, customer: Customer) -> list[str]:
        persona = customer.persona
        count = self.rng.randint(max(1, persona.stories_max // 2), persona.stories_max)
        return self.rng.choices(list(persona.stories), list(persona.stories.values()), k=count)

    def _story(self, name: str, customer: Customer) -> Story:
        number = self.rng.randrange(10**6)
        return Story(name=name, customer=customer, case=f"case-{number:06d}", order=f"order-{number:06d}")

    def _tell(self, story: Story, *, start: datetime, until: datetime) -> Iterator[Happening]:
        """All of a story at its own pace, cut where the present begins."""
        at = start
        for step in story.steps:
            at += timedelta(hours=self.rng.uniform(*step.after_h))
            if at >= until:
                return
            yield self._happen(step, story, at=at)

    def _happen(self, step: Step, story: Story, *, at: datetime) -> Happening:
        self._count += 1
        body: dict[str, object] = {
            "touchpoint": step.touchpoint,
            "channel": step.channel,
            "identities": story.customer.identities(step.via),
        }
        if step.place:
            body["place"] = self.rng.choice(PLACES[step.place])
        if step.case:
            body["case"] = story.case
        if step.order:
            body["order"] = story.order
        if step.scale:
            body["rating"] = {"scale": step.scale, "value": self.rng.randint(*step.rating)}
        if step.numbers:
            body["properties"] = {name: round(self.rng.uniform(*bounds), 1) for name, bounds in step.numbers.items()}
        return Happening(id=f"shop-{self._count:07d}", at=at, customer=story.customer, body=body)


def open_shop(*, rng: random.Random, customers: int) -> Shop:
    """A shop with so many customers, each persona having its share and, from five on, at least one."""
    shares = [persona for persona in PERSONAS for _ in range(persona.share)]
    mixed = [*PERSONAS, *rng.sample(shares, len(shares))]
    people: list[Customer] = []
    for number in range(customers):
        persona = mixed[number] if number < len(mixed) else rng.choice(shares)
        people.append(Customer(name=f"{persona.name}-{number + 1:03d}", persona=persona))
    return Shop(rng=rng, customers=people)


CYCLE_S: Final = 120.0
"""One round of trade, outage and recovery in a demo without an end: short enough to be seen by who looks in."""

PHASES: Final = ((Phase.NORMAL, 0.3), (Phase.OUTAGE, 0.65), (Phase.RECOVERY, 1.0))
"""Each phase and the part of the run, or of the cycle, at which it is over."""


def phase_at(elapsed_s: float, *, seconds: float | None) -> Phase:
    """The phase after so long: once through in a run that ends, over and over in one that does not."""
    part = (elapsed_s % CYCLE_S) / CYCLE_S if seconds is None else elapsed_s / seconds
    return next((phase for phase, over in PHASES if part < over), Phase.RECOVERY)
