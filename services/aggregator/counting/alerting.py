"""Look at persons whose scores were just read: alerts open, grow worse and close in the transaction that changed the score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple, Protocol

import numpy as np

from services.aggregator.counting.event_columns import EventColumns
from services.aggregator.counting.occasions import Occasion
from services.aggregator.counting.ports import ChunkTransaction
from services.aggregator.counting.telling_alerts import Fresh, Step, course_of, newest_events, promise_of, write
from services.core import drops
from services.core.alerts import (
    BAD_ANSWER,
    COOLDOWN_H,
    DROP,
    OVERDUE,
    Happening,
    Held,
    cools,
    looked,
    never_was,
    opened,
)
from services.core.drops import Fall
from services.core.facts import Fact, PersonFacts
from services.core.instants import EPOCH, HOUR_US
from services.core.promises import Overdue, ended, overdue
from services.core.tallies import LEAF
from services.state.alerting import StandingAlert

NEVER: Final = 2**62


class Named(Protocol):
    """What alerts are told of an event."""

    @property
    def source(self) -> str: ...
    @property
    def event_id(self) -> str: ...
    @property
    def facts(self) -> Sequence[Fact]: ...


class Opening(NamedTuple):
    """What may open an alert."""

    rule: str
    tipped: tuple[str, str] | None
    """The source and the id of the event."""
    promise: Overdue | None = None


class Touch(NamedTuple):
    """What happened to persons that their alerts may follow from."""

    openings: Mapping[int, Sequence[Opening]]
    earliest: Mapping[int, int]
    """By person the earliest hour of what is told of it: older than an alert, it may show that there was no reason for it."""


NOTHING_HAPPENED: Final = Touch({}, {})


def may_have_fallen(occasion: Occasion) -> frozenset[int]:
    """Tell cheaply which persons are to be looked at because their scores may have fallen."""
    reaches = drops.may_have_fallen(
        occasion.tallies,
        facts=occasion.facts,
        owners=len(occasion.persons),
        leaves=occasion.weigher.leaves,
        at_hour=occasion.hour,
        parameters=occasion.weigher.parameters,
        thresholds=occasion.weigher.thresholds,
    )
    return frozenset(occasion.persons[place] for place in np.flatnonzero(reaches).tolist())


def openings_of_promises(occasion: Occasion) -> dict[int, list[Opening]]:
    """Give of everybody whose score may have fallen the promise that is overdue and weighs most."""
    found: dict[int, list[Opening]] = {}
    fallen = may_have_fallen(occasion)
    for place, one in occasion.facts.people.items():
        person = occasion.persons[place]
        worst = _weightiest(_waiting(occasion, one)) if person in fallen else None
        if worst is not None:
            found[person] = [Opening(OVERDUE, None, worst)]
    return found


def touch_of(occasion: Occasion, events: Sequence[Named], columns: EventColumns, after: Mapping[int, int]) -> Touch:
    """Say what new events may do to alerts; `after` has the persons of identities that have moved."""
    person_of: list[int] = columns.person.tolist()
    if after:
        person_of = [after.get(one, person_of[place]) for place, one in enumerate(columns.identity.tolist())]
    earliest: dict[int, int] = {}
    for place, person in enumerate(person_of if occasion.watched else ()):
        if person in occasion.watched:
            earliest[person] = min(int(columns.hour[place]), earliest.get(person, NEVER))
    if occasion.late:
        return Touch({}, earliest)
    falls, answers = _causes(occasion, events, columns, person_of)
    fallen = may_have_fallen(occasion) if falls else frozenset()
    openings: dict[int, list[Opening]] = {person: [one] for person, one in falls.items() if person in fallen}
    for person, one in answers.items():
        openings.setdefault(person, []).append(one)
    return Touch(openings, earliest)


def _causes(
    occasion: Occasion, events: Sequence[Named], columns: EventColumns, person_of: Sequence[int]
) -> tuple[dict[int, Opening], dict[int, Opening]]:
    """Give of every person the last of these events that is bad, and the last answer that is."""
    falls: dict[int, Opening] = {}
    answers: dict[int, Opening] = {}
    entries = occasion.weigher.leaves.entries
    for place in np.flatnonzero(columns.v < 0).tolist():
        event, felt = events[place], columns.q[place] > 0
        tipped = (event.source, event.event_id)
        if drops.is_answer(entries[columns.leaf[place]]):
            if felt and columns.v[place] <= drops.BAD_ANSWER_V:
                answers[person_of[place]] = Opening(BAD_ANSWER, tipped)
        elif felt or event.facts:
            falls[person_of[place]] = Opening(DROP, tipped)
    return falls, answers


async def look(transaction: ChunkTransaction, occasion: Occasion, touch: Touch = NOTHING_HAPPENED) -> list[Step]:
    """Let alerts follow from what these persons live through; returns the steps that were written."""
    places = [
        place for place, person in enumerate(occasion.persons) if person in touch.openings or person in occasion.watched
    ]
    if not places:
        return []
    occasion = occasion.among(places)
    watched = [person for person in occasion.persons if person in occasion.watched]
    cooling_since = EPOCH + timedelta(hours=occasion.hour - COOLDOWN_H)
    known: dict[int, list[StandingAlert]] = {person: [] for person in watched}
    for alert in await transaction.alerts.standing(watched, closed_after=cooling_since) if watched else ():
        known[alert.person].append(alert)
    steps: list[Step] = []
    for place, (person, fall) in enumerate(zip(occasion.persons, _falls(occasion), strict=True)):
        mine, one = known.get(person, []), occasion.among([place])
        steps += _gone_on(one, fall, mine, earliest=touch.earliest.get(person, NEVER))
        steps += _opened(one, fall, mine, touch.openings.get(person, ()))
    return await write(transaction, steps, at_us=occasion.at_us, watched=known)


def _falls(occasion: Occasion) -> list[Fall]:
    return drops.read_falls(
        occasion.tallies,
        facts=occasion.facts,
        owners=len(occasion.persons),
        leaves=occasion.weigher.leaves,
        at_hour=occasion.hour,
        parameters=occasion.weigher.parameters,
    )


async def look_at_account(transaction: ChunkTransaction, one: Occasion) -> list[Step]:
    """Let alerts of a company follow from what its contacts live through; returns the steps that were written.

    Of their bad events the newest names it, else the overdue promise that weighs most: each only one alert.
    """
    assert one.account is not None  # noqa: S101 -- it is a company's
    fall = _fall(one)
    cooling_since = EPOCH + timedelta(hours=one.hour - COOLDOWN_H)
    alerts = await transaction.alerts.standing_of_account(one.account, closed_after=cooling_since)
    opens = fall.tips(one.weigher.thresholds) and not one.late and not any(_stands(x, hour=one.hour) for x in alerts)
    openings = await _causes_of_account(transaction, one) if opens else []
    steps = [*_gone_on(one, fall, alerts, earliest=NEVER), *_opened(one, fall, alerts, openings)]
    return await write(transaction, steps, at_us=one.at_us, watched={})


async def _causes_of_account(transaction: ChunkTransaction, one: Occasion) -> list[Opening]:
    leaves = one.weigher.leaves
    felt = [leaf for leaf in np.unique(one.tallies.rows[:, LEAF]).tolist() if not drops.is_answer(leaves.entries[leaf])]
    events = await newest_events(transaction, one, felt)
    bad = [
        (event.occurred_at, event.source, event.event_id) for mine in events.values() for event in mine if event.v < 0
    ]
    if bad:
        _, source, event_id = max(bad)
        return [Opening(DROP, (source, event_id))]
    worst = _weightiest(promise for mine in one.facts.people.values() for promise in _waiting(one, mine))
    return [] if worst is None else [Opening(OVERDUE, None, worst)]


def _waiting(one: Occasion, mine: PersonFacts) -> list[Overdue]:
    return overdue(mine, catalogue=one.weigher.leaves.catalogue, at_hour=one.hour)


def _weightiest(promises: Iterable[Overdue]) -> Overdue | None:
    return max(promises, key=lambda promise: (-promise.v * promise.weight, promise.key), default=None)


def _gone_on(one: Occasion, fall: Fall, alerts: Iterable[StandingAlert], *, earliest: int) -> list[Step]:
    """Go on with the open alerts of a person or a company."""
    steps = []
    thresholds = one.weigher.thresholds
    for alert in alerts:
        if alert.state != "open":
            continue
        course = course_of(alert)
        if earliest < course.opened and alert.rule != BAD_ANSWER:
            then = _fall(one._replace(at_us=course.opened * HOUR_US))
            if never_was(then, thresholds=thresholds):
                steps.append(Step(one, alert, course, fall, Happening.WITHDRAWN))
                continue
        promise = _held(one, alert)
        after, happening = looked(course, fall, hour=one.hour, thresholds=thresholds, late=one.late, promise=promise)
        steps.append(Step(one, alert, after, fall, happening))
    return steps


def _opened(one: Occasion, fall: Fall, alerts: Sequence[StandingAlert], openings: Iterable[Opening]) -> list[Step]:
    """Open what is to be opened: one alert for a fall, and one for a bad answer."""
    steps: list[Step] = []
    for opening in openings:
        answer = opening.rule == BAD_ANSWER
        if not answer and not fall.tips(one.weigher.thresholds):
            continue
        if any((alert.rule == BAD_ANSWER) == answer and _stands(alert, hour=one.hour) for alert in alerts):
            continue
        read = _fall_with_answers(one) if answer else fall
        course = opened(opening.rule, read, hour=one.hour)
        steps.append(Step(one, Fresh(opening.tipped, opening.promise), course, read, Happening.OPENED))
    return steps


def _stands(alert: StandingAlert, *, hour: int) -> bool:
    """Tell whether an alert keeps the next one from opening; an open bad answer does, a closed one does not."""
    if alert.closed_at is None:
        return True
    closed = (alert.closed_at - EPOCH) // timedelta(hours=1)
    return alert.rule != BAD_ANSWER and cools(closed, hour=hour)


def _fall(one: Occasion) -> Fall:
    if one.factors is None:
        return _falls(one)[0]
    return drops.read_fall_together(
        one.tallies,
        facts=one.facts,
        leaves=one.weigher.leaves,
        at_hour=one.hour,
        parameters=one.weigher.parameters,
        factors=one.factors,
    )


def _fall_with_answers(one: Occasion) -> Fall:
    return drops.read_falls_with_answers(
        one.tallies,
        facts=one.facts,
        owners=1,
        leaves=one.weigher.leaves,
        at_hour=one.hour,
        parameters=one.weigher.parameters,
    )[0]


def _held(one: Occasion, alert: StandingAlert) -> Held | None:
    """Tell how the promise stands that an alert is about."""
    named = promise_of(alert)
    if named is None:
        return None
    key, due_us = named
    catalogue, people = one.weigher.leaves.catalogue, one.facts.people.values()
    waiting = {promise.key: promise.due_us for mine in people for promise in _waiting(one, mine)}
    over = any(ended(mine, key, catalogue=catalogue, at_hour=one.hour) for mine in people)
    return Held(open=waiting.get(key) == due_us, ended=over)
