"""Who is one person, by SCORING section 3, and what their scores are; written apart from the services' core."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from tests.faults.expected import PARTS, Event
from tests.reference.promises import Book, Told
from tests.reference.scoring import Model, State, score
from tests.reference.told import read as read_told

TallyKey = tuple[str, str, str, str, int]
"""Identity, touchpoint, channel, place, hour."""

KINDS: Final = ("customer", "loyalty", "email_hash", "phone_hash", "x-", "anonymous", "device")
WINDOWS: Final[Mapping[str, int | None]] = {"": None, "_24h": 24, "_7d": 168, "_30d": 720, "_90d": 2160}
"""Suffix of the store's column, and hours; None is the overall, decaying read."""


def read_model(path: Path) -> Model:
    """The model as the catalogue file writes it."""
    written = yaml.safe_load(path.read_text())
    weights = {name: entry["weight"] for name, entry in written["touchpoints"].items()}
    numbers = written["parameters"]
    letters = {"lam": "lambda", "beta": "beta", "kappa": "kappa", "p": "prior", "cap": "cap", "h": "half_life_days"}
    return Model(weights, **{letter: numbers[name] for letter, name in letters.items()})


def strength(identity: str) -> tuple[int, str]:
    """Sorts the identity that names a person first."""
    kind = identity.partition(":")[0]
    return next(
        rank for rank, known in enumerate(KINDS) if kind == known or (known == "x-" and kind[:2] == "x-")
    ), identity


def persons_of(groups: Iterable[Sequence[str]], aliases: Iterable[Sequence[str]] = ()) -> dict[str, str]:
    """The person of each identity, when those named together are one, and so are customers that an alias joins.

    Names nobody of a group with customers that are two persons.
    """
    named = {one: min(same, key=strength) for same in _joined(aliases) for one in same}
    found = dict(named)
    for together in _joined(groups):
        people = {named.get(one, one) for one in together if one.startswith("customer:")}
        if len(people) < 2:
            found |= dict.fromkeys(together, people.pop() if people else min(together, key=strength))
    return found


def _joined(groups: Iterable[Sequence[str]]) -> list[list[str]]:
    """All that hangs together."""
    parent: dict[str, str] = {}

    def root(identity: str) -> str:
        parent.setdefault(identity, identity)
        while parent[identity] != identity:
            identity = parent[identity]
        return identity

    for group in groups:
        for identity in group:
            parent[root(identity)] = root(group[0])
    members: dict[str, list[str]] = {}
    for identity in parent:
        members.setdefault(root(identity), []).append(identity)
    return list(members.values())


def readings_with_promises(
    told: Sequence[Told], *, mine: Collection[int], at_hour: int, model: Model, book: Book
) -> dict[str, tuple[float, float]]:
    """The same of one person, from the person's events and all that are about the same as one of them."""
    read = {
        suffix: read_told(book, told, model, mine=mine, at=at_hour, window=hours) for suffix, hours in WINDOWS.items()
    }
    return {suffix: (found.score, found.confidence) for suffix, found in read.items()}


def about_the_same(events: Iterable[Event]) -> list[list[Event]]:
    """Events that name an order, a case or a part of one, brought together as far as one leads to another."""
    named = [(event, names_of(event)) for event in events if event.names_something]
    together: dict[str, list[Event]] = {}
    root = {name: min(group) for group in _joined(names for _, names in named) for name in group}
    for event, names in named:
        together.setdefault(root[names[0]], []).append(event)
    return [*together.values()]


def names_of(event: Event) -> list[str]:
    """What it names, as kind/id."""
    said = event.data.get("properties", {})
    found = [f"{one}/{event.data[one]}" for one in ("order", "case") if event.data.get(one)]
    return found + [f"{one}/{said[one]}" for one in PARTS if said.get(one)]


def readings(
    tallies: Mapping[TallyKey, Sequence[int]], *, at_hour: int, model: Model
) -> dict[str, tuple[float, float]]:
    """Score and confidence of one person in each window, from all tallies of its identities."""
    merged: State = {}
    for (_, touchpoint, channel, place, hour), tally in tallies.items():
        into = merged.setdefault(((touchpoint, channel, place), hour), [0] * 8)
        for column in range(6):
            into[column] += tally[column]
    read = {suffix: score(merged, model, at_hour, hours) for suffix, hours in WINDOWS.items()}
    return {suffix: (found.score, found.confidence) for suffix, found in read.items()}
