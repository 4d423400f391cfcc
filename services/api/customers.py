"""Answer about a customer: the score, its receipt, what moved it, its history, the journey."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from pydantic import BaseModel

from schemas.changeapi import ChangeAnswer
from schemas.historyapi import HISTORY_TALLIES_MAX, HistoryAnswer
from schemas.readapi import (
    ALERTS_MAX,
    KNOWN_THEN_MAX,
    LATEST_MAX,
    TALLIES_MAX,
    CustomerAnswer,
    JourneyAnswer,
    ReceiptAnswer,
)
from services.api.answers import Moment, Reasons, customer_answer, journey_answer, reasons_of, receipt_answer
from services.api.change_answers import Moved, change_answer, moved
from services.api.entrance import Entrance
from services.api.history_answers import history_answer
from services.api.large_reads import LargeReads
from services.api.requests import Asked, Named, Question, cursor_of, names_version, question_of
from services.api.staleness import EVENTS_LOOKED_AT, LOOKED_BACK, mark_of, stale
from services.core.change import PERIODS
from services.core.instants import instant_of
from services.core.tallies import HOURS_KEPT
from services.infra.catalogue.reading import LANGUAGES, Labels
from services.infra.clock import Clock
from services.infra.errors import UnavailableError
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused, refusal
from services.infra.sources import Scope
from services.state.database import ReadDatabase, Snapshot
from services.state.events import Place
from services.state.experience import Stored, experience_of, known_of, latest_of, stored_of
from services.state.persons import Person
from services.state.weighed import Models

SCOPE: Final[Scope] = "scores:read"

NO_STORE: Final = {"Cache-Control": "no-store"}
"""Of every answer about a person: no proxy may keep it."""

Answerer = Callable[[Question, Snapshot, Person, int], Awaitable[BaseModel | None]]
"""Answers from at most so many tallies; None when the person has more."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the answers are made from; built in __main__."""

    database: ReadDatabase
    models: Models
    labels: Mapping[str, Labels]
    """By language."""
    entrance: Entrance
    hash_key: bytes
    clock: Clock
    silent: Callable[[], frozenset[str]]
    """Sources that are silent at present."""


class Customers:
    """Answers about customers, to whoever has a key with the scope."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.large = LargeReads()

    async def score(self, asked: Asked) -> Answer:
        """Answer `GET /v1/customers/{identity}`."""
        return await self._answer(asked, self._score, named=("at", "known"), languages=LANGUAGES[:1])

    async def receipt(self, asked: Asked) -> Answer:
        """Answer `GET /v1/customers/{identity}/receipt`."""
        return await self._answer(asked, self._receipt, named=("at", "known"))

    async def change(self, asked: Asked) -> Answer:
        """Answer `GET /v1/customers/{identity}/change`."""
        return await self._answer(asked, self._change, named=("at", "known", "over"))

    async def history(self, asked: Asked) -> Answer:
        """Answer `GET /v1/customers/{identity}/history`."""
        named = ("from", "to", "dimension")
        return await self._answer(asked, self._history, named=named, languages=LANGUAGES[:1])

    async def journey(self, asked: Asked) -> Answer:
        """Answer `GET /v1/customers/{identity}/journey`."""
        return await self._answer(asked, self._journey, named=("limit", "cursor"))

    async def _answer(
        self, asked: Asked, answerer: Answerer, *, named: tuple[str, ...], languages: Sequence[str] = LANGUAGES
    ) -> Answer:
        question = self._question(asked, named=named, languages=languages)
        if isinstance(question, Refused):
            return refusal(question).with_headers(NO_STORE)
        try:
            answer = await self._answered(question, answerer)
        except UnavailableError as error:
            answer = refusal(Refused("unavailable"))._replace(because=str(error))
        return answer.with_headers(NO_STORE)

    def _question(self, asked: Asked, *, named: tuple[str, ...], languages: Sequence[str]) -> Question | Refused:
        reader = self.parts.entrance.reader(asked, SCOPE)
        if isinstance(reader, Refused):
            return reader
        now = instant_of(self.parts.clock.now_us())
        return question_of(asked, named=named, languages=languages, now=now, hash_key=self.parts.hash_key)

    async def _answered(self, question: Question, answerer: Answerer) -> Answer:
        answer = await self.large.attempts(partial(self._attempt, question, answerer), rows_max=TALLIES_MAX)
        return answer or refusal(Refused("history-too-large"))

    async def _attempt(self, question: Question, answerer: Answerer, rows_max: int) -> Answer | None:
        """Answer from at most so many tallies; None when the person has more."""
        async with self.parts.database.snapshot() as snapshot:
            person = await found_person(snapshot, question.person)
            if person is None:
                return refusal(question.person.unknown)
            tag = _tag(person, question, silent=self._silent(question))
            headers = {"ETag": tag, "Content-Language": question.language, "Vary": "Accept-Language"}
            catalogue = await self.parts.models.of_person(snapshot, person)
            if self._unchanged(question, person, tag=tag, model_version=catalogue.model_version):
                return Answer(304, b"", "", headers)
            body = await answerer(question, snapshot, person, rows_max)
        return None if body is None else Answer(200, body.model_dump_json().encode(), headers=headers)

    async def _score(
        self, question: Question, snapshot: Snapshot, person: Person, rows_max: int
    ) -> CustomerAnswer | None:
        moment, catalogue = Moment(question.at), await self.parts.models.of_person(snapshot, person)
        stored = await _stored(question, snapshot, person, rows_max=rows_max)
        if stored is None:
            return None
        alerts = await snapshot.alerts.of_identities([*person.identities], until=moment.at, limit=ALERTS_MAX)
        missed = await self._stale(question, snapshot, person)

        def work() -> CustomerAnswer:
            experience = experience_of(stored, catalogue=catalogue)
            return customer_answer(person, experience, alerts, stale=missed, catalogue=catalogue, moment=moment)

        return await self.large.compute(work, rows=stored.size)

    async def _receipt(
        self, question: Question, snapshot: Snapshot, person: Person, rows_max: int
    ) -> ReceiptAnswer | None:
        moment, catalogue = Moment(question.at), await self.parts.models.of_person(snapshot, person)
        stored = await _stored(question, snapshot, person, rows_max=rows_max)
        if stored is None:
            return None

        def work() -> Reasons:
            return reasons_of(experience_of(stored, catalogue=catalogue), catalogue=catalogue, moment=moment)

        reasons = await self.large.compute(work, rows=stored.size)
        latest = await latest_of(
            snapshot,
            [*person.identities],
            leaves=[*reasons.stored_leaves],
            hours=(moment.hour - HOURS_KEPT, moment.hour),
            by_hour=_known_by(question),
            each=LATEST_MAX,
        )
        labels = self.parts.labels[question.language]
        return receipt_answer(person, reasons, latest, catalogue=catalogue, labels=labels, moment=moment)

    async def _change(
        self, question: Question, snapshot: Snapshot, person: Person, rows_max: int
    ) -> ChangeAnswer | None:
        moment, catalogue = Moment(question.at), await self.parts.models.of_person(snapshot, person)
        stored = await _stored(question, snapshot, person, rows_max=rows_max)
        if stored is None:
            return None

        def work() -> Moved:
            experience = experience_of(stored, catalogue=catalogue)
            return moved(experience, over=question.when.over, catalogue=catalogue, moment=moment)

        found = await self.large.compute(work, rows=stored.size)
        latest = await latest_of(
            snapshot,
            [*person.identities],
            leaves=[*found.stored_leaves],
            hours=(moment.hour - PERIODS[question.when.over] - HOURS_KEPT, moment.hour),
            by_hour=_known_by(question),
            each=LATEST_MAX,
        )
        labels = self.parts.labels[question.language]
        return change_answer(
            person, found, latest, over=question.when.over, catalogue=catalogue, labels=labels, moment=moment
        )

    async def _history(
        self, question: Question, snapshot: Snapshot, person: Person, rows_max: int
    ) -> HistoryAnswer | None:
        span, catalogue = question.when.span, await self.parts.models.of_person(snapshot, person)
        stored = await stored_of(snapshot, person, **span.hours, rows_max=min(rows_max, HISTORY_TALLIES_MAX))
        if stored is None:
            return None

        def work() -> HistoryAnswer:
            return history_answer(person, experience_of(stored, catalogue=catalogue), span=span, catalogue=catalogue)

        return await self.large.compute(work, rows=stored.size * len(span.moments))

    async def _journey(self, question: Question, snapshot: Snapshot, person: Person, _rows_max: int) -> JourneyAnswer:
        events = await snapshot.events.journey([*person.identities], before=question.before, limit=question.limit + 1)
        page, more = events[: question.limit], len(events) > question.limit
        cursor = cursor_of(Place(page[-1].occurred_at, page[-1].key)) if more else None
        labels, catalogue = self.parts.labels[question.language], await self.parts.models.of_person(snapshot, person)
        return journey_answer(person, page, catalogue=catalogue, labels=labels, next_cursor=cursor)

    async def _stale(self, question: Question, snapshot: Snapshot, person: Person) -> list[str]:
        """Name the customer's usual sources that are silent; nobody is asked while none is."""
        silent = self._silent(question)
        if not silent:
            return []
        since = question.at - LOOKED_BACK
        brought = await snapshot.sources.of_identities([*person.identities], since=since, newest=EVENTS_LOOKED_AT)
        return stale(silent, brought)

    def _silent(self, question: Question) -> frozenset[str]:
        """The sources that are silent; of a past moment nobody knows."""
        return frozenset() if question.when.fixed else self.parts.silent()

    @staticmethod
    def _unchanged(question: Question, person: Person, *, tag: str, model_version: str) -> bool:
        """Tell whether a copy with the same version is still true.

        A score ages: without `at`, only a copy of the hour of the last change is sure to hold what a new answer
        would. Under another model it may not hold at all.
        """
        same_model = person.model_version == model_version
        fixed = question.when.fixed or person.as_of == Moment(question.at).hour
        return same_model and fixed and names_version(question.if_none_match, tag=tag)


async def _stored(question: Question, snapshot: Snapshot, person: Person, *, rows_max: int) -> Stored | None:
    hours = Moment(question.at).hours
    by_hour = _known_by(question)
    if by_hour is None:
        return await stored_of(snapshot, person, **hours, rows_max=rows_max)
    return await known_of(snapshot, person, **hours, by_hour=by_hour, rows_max=min(rows_max, KNOWN_THEN_MAX))


def _known_by(question: Question) -> int | None:
    """Give the hour by whose end it must have been received to count; None when everything counts."""
    return Moment(question.at).hour if question.when.known_then else None


def _tag(person: Person, question: Question, *, silent: frozenset[str]) -> str:
    """The version; an answer in another language is another one, and one while sources are silent may be."""
    language = "" if question.language == LANGUAGES[0] else f"-{question.language}"
    silence = f"-{mark_of(silent)}" if silent else ""
    return f'"{person.version}{language}{silence}"'


async def found_person(snapshot: Snapshot, named: Named) -> Person | None:
    """Find somebody under any of the names that a request may mean."""
    for identity in named.identities:
        person = await snapshot.persons.find(identity)
        if person is not None:
            return person
    return None
