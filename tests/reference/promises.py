"""Promises read from the events alone, by SCORING section 3; written apart from the services' core.

Every question is asked anew of all events, and nothing is kept between two hours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tests.reference.impressions import MICRO, delayed, due_micros, hours_late, made_up, waited
from tests.reference.scoring import Leaf

SECOND: Final = 1_000_000
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
KEPT_HOURS: Final = 9600
PATIENCE: Final = 60 * DAY
NEVER: Final = 1 << 62


class Told(NamedTuple):
    """One event: of whom, by whom, when, and what it said."""

    who: int
    source: str
    id: str
    at: int
    """Microseconds since 1970."""
    known: int
    """The hour in which it arrived."""
    data: Mapping[str, Any]
    browser: bool = False

    @property
    def hour(self) -> int:
        return self.at // HOUR

    @property
    def turn(self) -> tuple[int, str, str]:
        return self.at, self.source, self.id

    @property
    def touchpoint(self) -> str:
        return str(self.data["touchpoint"])

    @property
    def properties(self) -> Mapping[str, Any]:
        said: Mapping[str, Any] = self.data.get("properties", {})
        return said

    @property
    def leaf(self) -> Leaf:
        return self.touchpoint, self.data["channel"], self.data.get("place", "")

    @property
    def stake(self) -> int:
        stake: float = self.data.get("stake", 1.0)
        return round(stake * MICRO)

    @property
    def scored(self) -> bool:
        return not self.properties.get("machine_made")

    def named(self, thing: str) -> str:
        """The order, case, cart, parcel, … that it names; empty when it names none."""
        value = self.data.get(thing) if thing in ("order", "case") else self.properties.get(thing)
        return "" if value is None else str(value)


class Book(NamedTuple):
    """The catalogue's file, as plain data."""

    touchpoints: Mapping[str, Any]
    promises: Mapping[str, Any]

    @property
    def valences(self) -> dict[str, Any]:
        return {name: one["valence"] for name, one in self.touchpoints.items()}

    @property
    def weights(self) -> dict[str, float]:
        return {name: one["weight"] for name, one in self.touchpoints.items()}


class Felt(NamedTuple):
    """An impression that stands beside the tallies."""

    key: tuple[str, str, str]
    leaf: Leaf
    hour: int
    v: int
    q: int
    weight: float
    recovers: bool


class Said(NamedTuple):
    """What an event does to a promise."""

    told: Told
    rule: str
    does: str
    whole: str
    part: str
    due: int | None


def read_book(path: Path, own: Path | None = None) -> Book:
    """Read the catalogue's file, and what a deployment's own changes of it and adds to it."""
    touchpoints: dict[str, Any] = {}
    promises: dict[str, Any] = {}
    for page in (yaml.safe_load(one.read_text()) for one in (path, own) if one is not None):
        for name, entry in page["touchpoints"].items():
            touchpoints[name] = {"channel": "any", **touchpoints.get(name, {}), **entry}
        for name, rule in page.get("promises", {}).items():
            promises[name] = {**promises.get(name, {}), **rule}
    return Book(touchpoints, promises)


# What an event is about.


def about(rule: Mapping[str, Any], told: Told) -> tuple[str, str] | None:
    """The whole and the part that it names; None when it names nothing that the rule is about."""
    whole = told.named(rule["about"])
    for part in rule.get("parts", ()):
        named = told.named(part)
        if named and whole:
            return f"{rule['about']}/{whole}", f"{part}/{named}"
        if named and part != "line":
            return "", f"{part}/{named}"
    return (f"{rule['about']}/{whole}", "") if whole else None


def families(book: Book) -> dict[str, dict[str, Any]]:
    """Promises that are one and the same, by the name of the first."""
    found: dict[str, dict[str, Any]] = {}
    for name, rule in book.promises.items():
        first = rule.get("same_as", name)
        whole = book.promises[first]
        found.setdefault(first, {})[name] = {**rule, "about": whole["about"], "parts": whole.get("parts", [])}
    return found


def due_of_statement(rule: Mapping[str, Any], told: Told) -> int | None:
    """From when on somebody waits, if the event says so."""
    promised = told.properties.get(rule["due"]) if "due" in rule else None
    if promised is not None:
        return due_micros(promised)
    if "within_seconds" in rule:
        return told.at + int(rule["within_seconds"]) * SECOND
    return None if "due" in rule else told.at


def due_of_keep(book: Book, told: Told) -> int | None:
    """From when on somebody waited for what happened, if it says so itself."""
    valence = book.touchpoints[told.touchpoint]["valence"]
    if not isinstance(valence, dict) or "kept" not in valence:
        return None
    ((function, argument),) = valence["kept"].items()
    if function != "late":
        seconds = told.properties.get("wait_seconds")
        return None if seconds is None else told.at - round(seconds * SECOND)
    hours = hours_late(argument, told.properties, told.at)
    return None if hours is None else told.at - round(hours * HOUR)


def says(book: Book, family: Mapping[str, Any], told: Told) -> Iterator[Said]:
    """What an event does to the promises of a family: states, keeps, ends; each of them once."""
    stated = []
    for name, rule in family.items():
        if told.touchpoint in (*rule.get("begins", ()), *rule.get("states", ())):
            due = due_of_statement(rule, told)
            if due is not None or told.touchpoint in rule.get("begins", ()):
                stated.append((due is None, name, due))
    if stated:
        _, name, due = min(stated, key=lambda one: one[0])
        yield from _said(family[name], told, name, "states", due)
    for does in ("keeps", "ends"):
        names = [name for name, rule in family.items() if told.touchpoint in rule.get(does, ())]
        for name in names[:1]:
            yield from _said(family[name], told, name, does, due_of_keep(book, told) if does == "keeps" else None)


def _said(rule: Mapping[str, Any], told: Told, name: str, does: str, due: int | None) -> Iterator[Said]:
    named = about(rule, told)
    if named is not None:
        yield Said(told, name, does, *named, due)


# Which promises there are.


class Promise(NamedTuple):
    """Somebody waits for something since `due`; `owner` for whom it was promised."""

    key: tuple[str, str, str]
    rule: Mapping[str, Any]
    owner: int
    stated: Told | None
    due: int
    answer: Said | None
    followed: int | None
    """When another opening took its place."""


def groups(said: Sequence[Said]) -> dict[str, list[Said]]:
    """By whole, all that was said of it; a part that was named alone is that of every whole known to have it."""
    whole_of: dict[str, set[str]] = {}
    for one in said:
        if one.whole and one.part:
            whole_of.setdefault(one.part, set()).add(one.whole)
    found: dict[str, list[Said]] = {}
    for one in said:
        if one.whole:
            found.setdefault(one.whole, []).append(one)
        elif one.part in whole_of:
            for whole in whole_of[one.part]:
                found.setdefault(whole, []).append(one._replace(whole=whole))
        else:
            found.setdefault(one.part, []).append(one._replace(whole=one.part, part=""))
    return {
        whole: sorted(all_of_it, key=lambda one: (one.told.turn, one.does, one.part))
        for whole, all_of_it in found.items()
    }


def last_due(statements: Iterable[Said]) -> int | None:
    """What holds at last: sooner is believed, later only if it was said in time."""
    due: int | None = None
    for one in statements:
        if one.due is not None and (due is None or one.due < due or one.told.at < due):
            due = one.due
    return due


def promises_of(name: str, family: Mapping[str, Any], whole: str, said: Sequence[Said]) -> list[Promise]:
    """Every promise of one whole."""
    if family[name].get("again"):
        return [*_openings(name, family, whole, said)]
    stated = {one.part for one in said if one.does == "states" and one.due is not None}
    by_keeps = {one.part for one in said if one.does == "keeps" and one.due is not None}
    parts = set() if stated == {""} else (stated | by_keeps) - {""}
    found: list[Promise] = []
    for part in sorted(parts) or [""]:
        concerns = [one for one in said if one.part in ("", part)]
        statements = [one for one in concerns if one.does == "states"]
        answers = [one for one in (concerns if parts else said) if one.does != "states"]
        own = [one for one in statements if one.part == part]
        found += _promise((name, whole, part), family, statements, own, answers, None)
    return found


def _openings(name: str, family: Mapping[str, Any], whole: str, said: Sequence[Said]) -> Iterator[Promise]:
    openings = [one for one in said if one.does == "states"]
    starts = [one.told.at for one in openings]
    answers = [one for one in said if one.does != "states"]
    key = (name, whole, "")
    unasked = [one for one in answers if one.told.at < min(starts, default=NEVER)]
    yield from _promise(key, family, [], [], unasked, None)
    for one, start, following in zip(openings, starts, starts[1:] + [NEVER] * bool(starts), strict=True):
        inside = [answer for answer in answers if start <= answer.told.at < following]
        yield from _promise(key, family, [one], [one], inside, None if following == NEVER else following)


def _promise(
    key: tuple[str, str, str],
    family: Mapping[str, Any],
    statements: Sequence[Said],
    own: Sequence[Said],
    answers: Sequence[Said],
    followed: int | None,
) -> Iterator[Promise]:
    due, with_due = last_due(own), [one for one in own if one.due is not None]
    answer = answers[0] if answers else None
    if due is None and answer is not None and answer.does == "keeps":
        due = answer.due
    if due is None:
        return
    speaker = with_due[0] if with_due else answer
    assert speaker is not None
    owner = (statements[0] if statements else speaker).told.who
    stated = with_due[0].told if with_due else None
    yield Promise(key, family[speaker.rule], owner, stated, due, answer, followed)


# How they feel.


def feels(rule: Mapping[str, Any], waited_us: int) -> float:
    """What so much time after the due feels like."""
    if rule["felt"] == "late":
        return delayed(waited_us / HOUR)
    seconds = max(0, waited_us) / SECOND
    if "wait" in rule["felt"]:
        return waited(rule["felt"]["wait"], seconds)
    after = rule["felt"]["after"]
    return float(after["valence"]) if seconds > after["seconds"] else 0.0


def gives_up(promise: Promise) -> int:
    """When nobody waits any more: so long after it turned negative."""
    felt = promise.rule["felt"]
    grace = 0 if felt == "late" else felt["wait"]["adequate_seconds"] if "wait" in felt else felt["after"]["seconds"]
    return promise.due + round(grace * SECOND) + PATIENCE


def impression_of(book: Book, promise: Promise, at_hour: int) -> Iterator[Felt]:
    """What a promise feels like at an hour: at most one impression."""
    now, end, answer = at_hour * HOUR, gives_up(promise), promise.answer
    # What happens within the hour of the reading is no worse than what had been when it began.
    so_far = min(0.0, feels(promise.rule, now - promise.due))
    if answer is not None and answer.does == "keeps":
        when = min(answer.told.at, end)
        entry = book.touchpoints[answer.told.touchpoint]
        kept = isinstance(entry["valence"], dict) and "kept" in entry["valence"]
        v = feels(promise.rule, when - promise.due)
        v = made_up(max(v, _feels_kept(entry["valence"]["kept"], when - promise.due)) if kept else v)
        v = max(v, so_far) if v < 0 and when > now else v
        if kept or round(v * MICRO):
            weight = entry["weight"] if v >= 0 else book.touchpoints[promise.rule["missed"]]["weight"]
            stake = (promise.stated or answer.told).stake
            yield _felt(promise, answer.told.leaf, when, v, stake, weight)
        return
    over = answer.told.at if answer is not None else now if promise.followed is None else promise.followed
    when = min(over, end)
    v = min(0.0, feels(promise.rule, when - promise.due))
    v = max(v, so_far) if when > now else v
    if round(v * MICRO) and promise.stated is not None:
        missed = promise.rule["missed"]
        weight = book.touchpoints[missed]["weight"]
        yield _felt(promise, leaf_of(book, missed, promise.stated), when, v, promise.stated.stake, weight)


def _feels_kept(kept: Mapping[str, Any], waited_us: int) -> float:
    ((function, argument),) = kept.items()
    if function == "late":
        return delayed(waited_us / HOUR)
    v = waited(argument, max(0, waited_us) / SECOND)
    return v if function == "wait" else min(1.0, v + argument["bonus"])


def _felt(promise: Promise, leaf: Leaf, when: int, v: float, stake: int, weight: float) -> Felt:
    recovers = bool(promise.rule.get("recovers"))
    return Felt(promise.key, leaf, when // HOUR, round(max(-1.0, min(1.0, v)) * MICRO), stake, weight, recovers)


def leaf_of(book: Book, touchpoint: str, told: Told) -> Leaf:
    """Where something is booked that nobody sent."""
    channel = book.touchpoints[touchpoint]["channel"]
    return touchpoint, told.data["channel"] if channel == "any" else channel, told.data.get("place", "")


def arrival(
    book: Book, name: str, said: Sequence[Said], promises: Sequence[Promise], *, mine: Collection[int]
) -> Iterator[Felt]:
    """What the first arrival tells: how long it took since the order, and that a part did not come along."""
    answers = [one for one in said if one.does != "states"]
    if not answers or answers[0].does != "keeps" or answers[0].rule != name:
        return
    came, rule, whole = answers[0].told, book.promises[name], answers[0].whole
    orders = [one.told for one in said if one.does == "states" and one.told.touchpoint in rule.get("begins", ())]
    if "slow" in rule and orders and orders[0].who in mine and orders[0].at <= came.at:
        entry = book.touchpoints[rule["slow"]]
        v = round(waited(entry["valence"]["wait"], (came.at - orders[0].at) / SECOND) * MICRO)
        leaf = leaf_of(book, rule["slow"], came)
        yield Felt((rule["slow"], whole, ""), leaf, came.hour, v, orders[0].stake, entry["weight"], recovers=False)
    arrived = [one for one in promises if answers[0].part and one.key[2] == answers[0].part]
    if "part_missing" in rule and arrived:
        expected = max(arrived[0].due, came.at)
        missing = [
            one.stated
            for one in promises
            if one.stated is not None and one.owner in mine and one.stated.at <= came.at and one.due <= expected
            if one.answer is None or one.answer.told.at > came.at + DAY
        ]
        for stated in missing[:1]:
            entry = book.touchpoints[rule["part_missing"]]
            v = round(entry["valence"]["const"] * MICRO)
            key, leaf = (rule["part_missing"], whole, ""), leaf_of(book, rule["part_missing"], came)
            yield Felt(key, leaf, came.hour, v, stated.stake, entry["weight"], recovers=False)


def felt_at(book: Book, told: Iterable[Told], *, mine: Collection[int], at: int) -> list[Felt]:
    """All that promises make a person feel at an hour, in the order of their keys."""
    known = [one for one in told if one.scored and not one.browser and at - KEPT_HOURS < one.hour <= at]
    found: list[Felt] = []
    for name, family in families(book).items():
        said = [one for event in known for one in says(book, family, event)]
        for whole, all_of_it in groups(said).items():
            promises = promises_of(name, family, whole, all_of_it)
            for promise in promises:
                if promise.owner in mine:
                    found += impression_of(book, promise, at)
            found += arrival(book, name, all_of_it, promises, mine=mine)
    return sorted(found)
