"""Answer about an account: the score, its receipt, the journey of its contacts."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel

from schemas.accountsapi import (
    AccountAnswer,
    AccountChangeAnswer,
    AccountHistoryAnswer,
    AccountJourneyAnswer,
    AccountReceiptAnswer,
)
from schemas.historyapi import HISTORY_TALLIES_MAX
from schemas.readapi import LATEST_MAX, TALLIES_MAX
from schemas.touchpoint import ID_PATTERN
from services.api.account_answers import (
    account_answer,
    account_journey_answer,
    account_reasons,
    account_receipt_answer,
)
from services.api.account_lives import Hours, identities_of, lived_of
from services.api.answers import Moment, Reasons
from services.api.change_answers import Moved, moved, sides_of
from services.api.customers import NO_STORE, SCOPE, Customers
from services.api.history_answers import line_of
from services.api.requests import Asked, When, cursor_of, page_of, parameters_of, when_of
from services.core.change import PERIODS
from services.core.instants import instant_of
from services.core.roles import factors_of
from services.core.tallies import HOURS_KEPT
from services.infra.catalogue.reading import LANGUAGES
from services.infra.errors import UnavailableError
from services.infra.http.answer import Answer
from services.infra.http.languages import language_of
from services.infra.http.problems import Refused, refusal
from services.state.database import Snapshot
from services.state.events import Place
from services.state.experience import experience_of, latest_of

_ID: Final = re.compile(ID_PATTERN.removesuffix("$"))

NO_ACCOUNT: Final = Refused("unknown-account")


class Question(NamedTuple):
    """What a request asks, understood; operations that name no page have the first one."""

    account: str
    when: When
    limit: int
    before: Place
    language: str

    @property
    def at(self) -> datetime:
        """The moment that is read at."""
        return self.when.at

    @property
    def over(self) -> str:
        """The period before it whose change is asked for."""
        return self.when.over

    @property
    def hours(self) -> Hours:
        """The hours that the moment is read from."""
        moment = Moment(self.at)
        return Hours(**moment.hours, by_hour=self.known_by)

    @property
    def known_by(self) -> int | None:
        """The hour by whose end it must have been received to count; None when everything counts."""
        return Moment(self.at).hour if self.when.known_then else None


Answerer = Callable[[Question, Snapshot, int], Awaitable[BaseModel | None]]
"""Answers from at most so many tallies; None when the contacts have more."""


class Accounts:
    """Answers about accounts, to whoever may read customers' scores."""

    def __init__(self, customers: Customers) -> None:
        self._parts = customers.parts
        self._large = customers.large

    async def score(self, asked: Asked) -> Answer:
        """Answer `GET /v1/accounts/{account}`."""
        return await self._answer(asked, self._score, named=("at", "known"))

    async def receipt(self, asked: Asked) -> Answer:
        """Answer `GET /v1/accounts/{account}/receipt`."""
        return await self._answer(asked, self._receipt, named=("at", "known"))

    async def change(self, asked: Asked) -> Answer:
        """Answer `GET /v1/accounts/{account}/change`."""
        return await self._answer(asked, self._change, named=("at", "known", "over"))

    async def history(self, asked: Asked) -> Answer:
        """Answer `GET /v1/accounts/{account}/history`."""
        return await self._answer(asked, self._history, named=("from", "to", "dimension"))

    async def journey(self, asked: Asked) -> Answer:
        """Answer `GET /v1/accounts/{account}/journey`."""
        return await self._answer(asked, self._journey, named=("limit", "cursor"))

    async def _answer(self, asked: Asked, answerer: Answerer, *, named: tuple[str, ...]) -> Answer:
        reader = self._parts.entrance.reader(asked, SCOPE)
        now = instant_of(self._parts.clock.now_us())
        question = reader if isinstance(reader, Refused) else question_of(asked, named=named, now=now)
        if isinstance(question, Refused):
            return refusal(question).with_headers(NO_STORE)
        try:
            attempt = partial(self._attempt, question, answerer)
            answer = await self._large.attempts(attempt, rows_max=TALLIES_MAX)
        except UnavailableError as error:
            answer = refusal(Refused("unavailable"))._replace(because=str(error))
        return (answer or refusal(Refused("account-too-large"))).with_headers(NO_STORE)

    async def _attempt(self, question: Question, answerer: Answerer, rows_max: int) -> Answer | None:
        async with self._parts.database.snapshot() as snapshot:
            if not await snapshot.accounts.known(question.account):
                return refusal(NO_ACCOUNT)
            body = await answerer(question, snapshot, rows_max)
        headers = {"Content-Language": question.language, "Vary": "Accept-Language"}
        return None if body is None else Answer(200, body.model_dump_json().encode(), headers=headers)

    async def _score(self, question: Question, snapshot: Snapshot, rows_max: int) -> AccountAnswer | None:
        moment, catalogue = Moment(question.at), await self._parts.models.in_use(snapshot)
        lived = await lived_of(snapshot, question.account, hours=question.hours, rows_max=rows_max)
        if lived is None:
            return None

        def work() -> AccountAnswer:
            experience = experience_of(lived.stored, catalogue=catalogue)
            return account_answer(lived.company, experience, facts=experience.facts, catalogue=catalogue, moment=moment)

        return await self._large.compute(work, rows=lived.stored.size)

    async def _receipt(self, question: Question, snapshot: Snapshot, rows_max: int) -> AccountReceiptAnswer | None:
        moment, catalogue = Moment(question.at), await self._parts.models.in_use(snapshot)
        lived = await lived_of(snapshot, question.account, hours=question.hours, rows_max=rows_max)
        if lived is None:
            return None

        def work() -> Reasons:
            experience = experience_of(lived.stored, catalogue=catalogue)
            return account_reasons(
                lived.company, experience, facts=experience.facts, catalogue=catalogue, moment=moment
            )

        reasons = await self._large.compute(work, rows=lived.stored.size)
        latest = await latest_of(
            snapshot,
            [*lived.identities],
            leaves=[*reasons.stored_leaves],
            hours=(moment.hour - HOURS_KEPT, moment.hour),
            by_hour=question.known_by,
            each=LATEST_MAX,
        )
        labels = self._parts.labels[question.language]
        return account_receipt_answer(lived.company, reasons, latest, catalogue=catalogue, labels=labels, moment=moment)

    async def _change(self, question: Question, snapshot: Snapshot, rows_max: int) -> AccountChangeAnswer | None:
        moment, catalogue = Moment(question.at), await self._parts.models.in_use(snapshot)
        lived = await lived_of(snapshot, question.account, hours=question.hours, rows_max=rows_max)
        if lived is None:
            return None
        factors = factors_of([one.role for one in lived.company.contacts], catalogue.parameters)

        def work() -> Moved:
            experience = experience_of(lived.stored, catalogue=catalogue)
            return moved(experience, over=question.over, catalogue=catalogue, moment=moment, factors=factors)

        found = await self._large.compute(work, rows=lived.stored.size)
        latest = await latest_of(
            snapshot,
            [*lived.identities],
            leaves=[*found.stored_leaves],
            hours=(moment.hour - PERIODS[question.over] - HOURS_KEPT, moment.hour),
            by_hour=question.known_by,
            each=LATEST_MAX,
        )
        labels = self._parts.labels[question.language]
        sides = sides_of(found, latest, over=question.over, catalogue=catalogue, labels=labels, moment=moment)
        return AccountChangeAnswer(account=question.account, **sides)

    async def _history(self, question: Question, snapshot: Snapshot, rows_max: int) -> AccountHistoryAnswer | None:
        span, catalogue = question.when.span, await self._parts.models.in_use(snapshot)
        hours = Hours(**span.hours)
        lived = await lived_of(snapshot, question.account, hours=hours, rows_max=min(rows_max, HISTORY_TALLIES_MAX))
        if lived is None:
            return None
        factors = factors_of([one.role for one in lived.company.contacts], catalogue.parameters)

        def work() -> AccountHistoryAnswer:
            experience = experience_of(lived.stored, catalogue=catalogue)
            line = line_of(experience, span=span, catalogue=catalogue, factors=factors)
            return AccountHistoryAnswer(account=question.account, **line)

        return await self._large.compute(work, rows=lived.stored.size * len(span.moments))

    async def _journey(self, question: Question, snapshot: Snapshot, _rows_max: int) -> AccountJourneyAnswer:
        hour = Moment(question.at).hour
        contacts = await snapshot.accounts.contacts(question.account, until_hour=hour)
        identities = await identities_of(snapshot, contacts)
        events = await snapshot.events.journey_of_many([*identities], before=question.before, limit=question.limit + 1)
        page, more = events[: question.limit], len(events) > question.limit
        return account_journey_answer(
            question.account,
            page,
            identities=identities,
            customers={one.person: one.customer for one in contacts.people},
            catalogue=await self._parts.models.in_use(snapshot),
            labels=self._parts.labels[question.language],
            next_cursor=cursor_of(Place(page[-1].occurred_at, page[-1].key)) if more else None,
        )


def question_of(asked: Asked, *, named: Sequence[str], now: datetime) -> Question | Refused:
    """Understand a whole request; `named` are the parameters of its operation."""
    parameters = parameters_of(asked.query, named=named)
    if isinstance(parameters, Refused):
        return parameters
    page = page_of(parameters)
    if isinstance(page, Refused):
        return page
    when = when_of(parameters, now=now)
    if isinstance(when, Refused):
        return when
    account = account_of_path(asked.identity)
    if isinstance(account, Refused):
        return account
    return Question(account, when, *page, language_of(asked.accept_language, LANGUAGES))


def account_of_path(segment: str) -> str | Refused:
    """Return the account that a path names."""
    try:
        account = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        account = ""
    return account if _ID.fullmatch(account) else Refused("invalid-account")
