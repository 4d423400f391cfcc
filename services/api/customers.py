"""Answer about a customer: the score, its receipt, the journey."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from schemas.readapi import ALERTS_MAX, LATEST_MAX
from services.api.answers import Moment, customer_answer, journey_answer, receipt_answer
from services.api.experience import experience_of, latest_of
from services.api.requests import Asked, Question, accepts_json, cursor_of, names_version, question_of
from services.core.catalogue import Catalogue
from services.core.instants import instant_of
from services.core.scoring import HOURS_KEPT
from services.infra.clock import Clock
from services.infra.errors import UnavailableError
from services.infra.http.answer import Answer
from services.infra.http.keys import bearer_key
from services.infra.http.problems import Refused, refusal
from services.infra.logs import get_logger
from services.infra.sources import Scope, Sources
from services.state.database import ReadDatabase, Snapshot
from services.state.events import Place
from services.state.persons import Person

SCOPE: Final[Scope] = "scores:read"

NO_STORE: Final = {"Cache-Control": "no-store"}
"""Of every answer about a person: no proxy may keep it."""

log = get_logger(__name__)

Answerer = Callable[[Question, Snapshot, Person], Awaitable[BaseModel]]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the answers are made from; built in __main__."""

    database: ReadDatabase
    catalogue: Catalogue
    sources: Callable[[], Sources]
    hash_key: bytes
    clock: Clock


class Customers:
    """Answers about customers, to whoever has a key with the scope."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def score(self, asked: Asked) -> Answer:
        """Answer `GET /v1/customers/{identity}`."""
        return await self._answer(asked, self._score, named=("at",))

    async def receipt(self, asked: Asked) -> Answer:
        """Answer `GET /v1/customers/{identity}/receipt`."""
        return await self._answer(asked, self._receipt, named=("at",))

    async def journey(self, asked: Asked) -> Answer:
        """Answer `GET /v1/customers/{identity}/journey`."""
        return await self._answer(asked, self._journey, named=("limit", "cursor"))

    async def _answer(self, asked: Asked, answerer: Answerer, *, named: tuple[str, ...]) -> Answer:
        question = self._question(asked, named=named)
        if isinstance(question, Refused):
            return refusal(question).with_headers(NO_STORE)
        try:
            answer = await self._answered(question, answerer)
        except UnavailableError as error:
            log.warning("answered_unavailable", reason=str(error))
            answer = refusal(Refused("unavailable"))
        return answer.with_headers(NO_STORE)

    def _question(self, asked: Asked, *, named: tuple[str, ...]) -> Question | Refused:
        refused = self._refused(asked)
        if refused is not None:
            return refused
        now = instant_of(self._parts.clock.now_us())
        return question_of(asked, named=named, now=now, hash_key=self._parts.hash_key)

    def _refused(self, asked: Asked) -> Refused | None:
        key = bearer_key(asked.authorization)
        reader = self._parts.sources().reader(key) if key is not None else None
        if reader is None:
            return Refused("unauthorized")
        if SCOPE not in reader.scopes:
            return Refused("forbidden", f"Use a key with the scope {SCOPE}.")
        return None if accepts_json(asked.accept) else Refused("not-acceptable")

    async def _answered(self, question: Question, answerer: Answerer) -> Answer:
        async with self._parts.database.snapshot() as snapshot:
            person = await snapshot.persons.find(question.identity)
            if person is None:
                return refusal(Refused("unknown-customer"))
            tag = {"ETag": f'"{person.version}"'}
            if self._unchanged(question, person):
                return Answer(304, b"", "", tag)
            body = await answerer(question, snapshot, person)
        return Answer(200, body.model_dump_json().encode(), headers=tag)

    async def _score(self, question: Question, snapshot: Snapshot, person: Person) -> BaseModel:
        moment = Moment(question.at)
        experience = await experience_of(snapshot, person, **moment.hours)
        alerts = await snapshot.alerts.of_identities([*person.identities], until=moment.at, limit=ALERTS_MAX)
        return customer_answer(person, experience, alerts, catalogue=self._parts.catalogue, moment=moment)

    async def _receipt(self, question: Question, snapshot: Snapshot, person: Person) -> BaseModel:
        moment = Moment(question.at)
        first_hour = moment.hour - HOURS_KEPT + 1
        experience = await experience_of(snapshot, person, **moment.hours)
        latest = await latest_of(snapshot, person, from_hour=first_hour, until_hour=moment.hour, each=LATEST_MAX)
        return receipt_answer(person, experience, latest, catalogue=self._parts.catalogue, moment=moment)

    async def _journey(self, question: Question, snapshot: Snapshot, person: Person) -> BaseModel:
        events = await snapshot.events.journey([*person.identities], before=question.before, limit=question.limit + 1)
        page, more = events[: question.limit], len(events) > question.limit
        cursor = cursor_of(Place(page[-1].occurred_at, page[-1].key)) if more else None
        return journey_answer(person, page, catalogue=self._parts.catalogue, next_cursor=cursor)

    def _unchanged(self, question: Question, person: Person) -> bool:
        """Tell whether a copy with the same version is still true.

        A score ages: without `at`, only a copy of the hour of the last change is sure to hold what a new answer
        would. Under another model it may not hold at all.
        """
        same_model = person.model_version == self._parts.catalogue.model_version
        fixed = question.fixed or person.as_of == Moment(question.at).hour
        return same_model and fixed and names_version(question.if_none_match, tag=f'"{person.version}"')
