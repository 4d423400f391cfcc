"""Answer what a customer's score would be by other numbers or another past: `POST /v1/whatif`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import quote
from uuid import UUID

from pydantic import ValidationError

from schemas.faults import WHOLE as EVENT
from schemas.faults import faults_of
from schemas.instant import parse_instant
from schemas.readapi import LEAVES_MAX, TALLIES_MAX
from schemas.touchpoint import TOUCHPOINT_PATTERN
from schemas.whatifapi import ChangedEvent, NamedEvent, WhatIfQuestion
from services.api.answers import Moment
from services.api.customers import NO_STORE, SCOPE, Customers, found_person
from services.api.requests import TO_COME, Asked, Named, has_come, named_of_path
from services.api.whatif_answers import Worked, whatif_answer
from services.core.catalogue import Catalogue
from services.core.dimensions import Leaves
from services.core.facts import Facts
from services.core.instants import EPOCH, hour_of, instant_of
from services.core.sameness import event_key
from services.core.scoring import receipt
from services.core.tallies import HOURS_KEPT, MICRO
from services.core.whatif import Extremes, Felt, Retold, altered, retold
from services.infra.catalogue.reading import LANGUAGES
from services.infra.errors import UnavailableError
from services.infra.http.answer import Answer
from services.infra.http.languages import language_of
from services.infra.http.problems import Refused, refusal
from services.infra.near import nearest
from services.state.database import Snapshot
from services.state.events import FoundEvent
from services.state.experience import Stored, experience_of, stored_of
from services.state.persons import Person

WHOLE: Final = "question"

FAULTS_MAX: Final = 20
"""A first screen of mistakes."""

_TOUCHPOINT: Final = re.compile(TOUCHPOINT_PATTERN)

Body = Callable[[], Awaitable[bytes | Refused]]
"""Reads the rest of a request, or says why not."""

Fault = Mapping[str, str]


class Understood(NamedTuple):
    """What a request asks, understood."""

    question: WhatIfQuestion
    person: Named
    moment: Moment
    language: str


class NamedAt(NamedTuple):
    """An event that a question names, and where in the question it stands."""

    field: str
    key: UUID
    event: NamedEvent


class Past(NamedTuple):
    """What is to be another past: events to take out, events to put in, what stays beside them, and what facts say."""

    taken: Sequence[FoundEvent]
    put: Sequence[FoundEvent]
    extremes: Mapping[tuple[int, datetime], tuple[int, int]]
    retold: Mapping[tuple[str, str], Retold | None]
    """By source and id of the event, what its facts are to say; None where it is taken out."""


class WhatIfs:
    """Answers about customers as they might be, to whoever may read their scores."""

    def __init__(self, customers: Customers) -> None:
        self._parts = customers.parts
        self._large = customers.large

    async def ask(self, asked: Asked, body: Body) -> Answer:
        """Answer `POST /v1/whatif`."""
        reader = self._parts.entrance.reader(asked, SCOPE)
        read = reader if isinstance(reader, Refused) else await body()
        if isinstance(read, Refused):
            return refusal(read).with_headers(NO_STORE)
        understood = self._understood(asked, read)
        if isinstance(understood, Answer):
            return understood.with_headers(NO_STORE)
        try:
            answer = await self._answered(understood)
        except UnavailableError as error:
            answer = refusal(Refused("unavailable"))._replace(because=str(error))
        return answer.with_headers(NO_STORE)

    def _understood(self, asked: Asked, body: bytes) -> Understood | Answer:
        try:
            question = WhatIfQuestion.model_validate_json(body)
        except ValidationError as error:
            return _unreadable(error)
        named = named_of_path(quote(question.customer, safe=":"), hash_key=self._parts.hash_key)
        if isinstance(named, Refused):
            return refusal(named)
        now = instant_of(self._parts.clock.now_us())
        at = now if question.at is None else parse_instant(question.at)
        if not has_come(at, now=now):
            return _refusal("invalid-question", [{"field": "at", "reason": TO_COME}])
        moment = Moment(at)
        return Understood(question, named, moment, language_of(asked.accept_language, LANGUAGES))

    async def _answered(self, understood: Understood) -> Answer:
        answer = await self._large.attempts(partial(self._attempt, understood), rows_max=TALLIES_MAX)
        return answer or refusal(Refused("history-too-large"))

    async def _attempt(self, understood: Understood, rows_max: int) -> Answer | None:
        """Answer from at most so many tallies; None when the person has more."""
        question, named, moment, language = understood
        async with self._parts.database.snapshot() as snapshot:
            person = await found_person(snapshot, named)
            if person is None:
                return refusal(named.unknown)
            catalogue = await self._parts.models.of_person(snapshot, person)
            past = await _past(snapshot, person, question, moment=moment)
            if isinstance(past, Answer):
                return past
            stored = await stored_of(snapshot, person, **moment.hours, rows_max=rows_max)
        if stored is None:
            return None
        other = _weighed(question, catalogue, known={leaf.touchpoint for leaf in stored.leaves})
        if isinstance(other, Answer):
            return other

        def work() -> Worked | None:
            return _worked(stored, past, catalogue=catalogue, other=other, moment=moment)

        worked = await self._large.compute(work, rows=stored.size)
        if worked is None:
            return refusal(Refused("unknown-event", "These events count otherwise than by themselves: leave them in."))
        body = whatif_answer(
            person, worked, catalogue=catalogue, other=other, labels=self._parts.labels[language], moment=moment
        )
        headers = {"Content-Language": language, "Vary": "Accept-Language"}
        return Answer(200, body.model_dump_json().encode(), headers=headers)


async def _past(snapshot: Snapshot, person: Person, question: WhatIfQuestion, *, moment: Moment) -> Past | Answer:
    """Find the events that the question names; those that do not count at its moment change nothing."""
    named = [*_named("without", question.without), *_named("changed", question.changed)]
    if not named:
        return Past((), (), {}, {})
    identities, keys = [*person.identities], [one.key for one in named]
    again = [one.field for place, one in enumerate(named) if one.key in keys[:place]]
    if again:
        return _refusal(
            "event-named-twice", [{"field": field, "reason": "is named before; name it once"} for field in again]
        )
    hours = moment.hour - HOURS_KEPT + 1, moment.hour + 1
    since, until = (EPOCH + timedelta(hours=hour) for hour in hours)
    found = await snapshot.events.named(identities, keys, since=since, until=until)
    missing = [one.field for one in named if one.key not in {event.key for event in found}]
    if missing:
        reason = "is no event of this customer that counts at that moment; the journey shows source and id"
        return _refusal("unknown-event", [{"field": field, "reason": reason} for field in missing])
    changed = {one.key: one.event for one in named if isinstance(one.event, ChangedEvent)}
    put = [_as_changed(event, changed[event.key]) for event in found if event.key in changed]
    touched = sorted({(event.leaf, _hour_of(event)) for event in found})
    extremes = await snapshot.events.extremes(identities, touched, but=keys)
    return Past(found, put, extremes, {(one.event.source, one.event.id): _retold(one.event) for one in named})


def _named(field: str, events: Sequence[NamedEvent]) -> list[NamedAt]:
    return [
        NamedAt(f"{field}[{place}]", UUID(bytes=event_key(event.source, event.id)), event)
        for place, event in enumerate(events)
    ]


def _as_changed(event: FoundEvent, change: NamedEvent) -> FoundEvent:
    if not isinstance(change, ChangedEvent):
        return event
    v = event.v if change.valence is None else round(change.valence * MICRO)
    q = event.q if change.stake is None else round(change.stake * MICRO)
    return event._replace(v=v, q=q)


def _retold(event: NamedEvent) -> Retold | None:
    if not isinstance(event, ChangedEvent):
        return None
    v, q = (None if number is None else round(number * MICRO) for number in (event.valence, event.stake))
    return Retold(v, q)


def _hour_of(event: FoundEvent) -> datetime:
    return event.occurred_at.replace(minute=0, second=0, microsecond=0)


def _weighed(question: WhatIfQuestion, catalogue: Catalogue, *, known: Collection[str]) -> Catalogue | Answer:
    """Weigh by the numbers of the question; touchpoints are those of the catalogue and of the customer."""
    names = {*catalogue.entries, *known}
    faults = []
    for name in question.weights:
        if name not in names:
            near = nearest(name, names)
            hint = f"did you mean {near}?" if near else "`tactus catalogue show` lists the catalogue's"
            faults.append({"field": f"weights.{name}", "reason": f"is no touchpoint of the catalogue; {hint}"})
    if faults:
        return _refusal("unknown-touchpoint", faults)
    told = {} if question.parameters is None else question.parameters.model_dump(by_alias=False, exclude_none=True)
    if not (told or question.weights):
        return catalogue
    weighing = catalogue.weighing
    return catalogue.weighed_by(
        replace(
            weighing,
            version="",
            parameters=replace(weighing.parameters, **told),
            weights={**weighing.weights, **question.weights},
        )
    )


def _worked(stored: Stored, past: Past, *, catalogue: Catalogue, other: Catalogue, moment: Moment) -> Worked | None:
    """Read both receipts; None when the tallies do not hold the events that are to be taken out."""
    experience = experience_of(stored, catalogue=catalogue)
    before = receipt(
        experience.tallies,
        facts=experience.facts,
        leaves=experience.leaves,
        at_hour=moment.hour,
        parameters=catalogue.parameters,
    )
    place_of = {number: place for place, number in enumerate(experience.stored_leaves)}
    extremes = {(place_of[leaf], hour_of(at)): Extremes(*both) for (leaf, at), both in past.extremes.items()}
    taken, put = (
        [Felt(place_of[event.leaf], hour_of(event.occurred_at), event.v, event.q) for event in events]
        for events in (past.taken, _put(past, experience.facts))
    )
    facts = retold(experience.facts, past.retold)
    tallies = altered(experience.tallies, taken=taken, put=put, extremes=extremes)
    if tallies is None:
        return None
    leaves = Leaves.of(other, experience.leaves.triples)
    after = receipt(tallies, facts=facts, leaves=leaves, at_hour=moment.hour, parameters=other.parameters)
    return Worked(before, after, experience.leaves.triples, LEAVES_MAX)


def _put(past: Past, facts: Facts) -> list[FoundEvent]:
    """Give the events to put in; those whose stake stands in facts have none in their tallies, as before."""
    beside = {event_key(fact.source, fact.event_id) for one in facts.people.values() for fact in one.facts}
    elsewhere = {event.key for event in past.taken if not event.q and event.key.bytes in beside}
    return [event._replace(q=0) if event.key in elsewhere else event for event in past.put]


def _unreadable(error: ValidationError) -> Answer:
    if error.errors(include_url=False)[0]["type"] == "json_invalid":
        return refusal(Refused("malformed-json"))
    faults = {_place(fault.field): fault.reason for fault in faults_of(error)}
    told = [{"field": field, "reason": reason} for field, reason in faults.items()]
    return _refusal("invalid-question", told[:FAULTS_MAX])


def _place(field: str) -> str:
    """Name a field of the question, and of the touchpoints only such as could be ones: no input is repeated."""
    if field == EVENT:
        return WHOLE
    name = field.removeprefix("weights.")
    return "weights" if name != field and not _TOUCHPOINT.fullmatch(name) else field


def _refusal(slug: str, faults: Sequence[Fault]) -> Answer:
    return refusal(Refused(slug), {"faults": faults})
