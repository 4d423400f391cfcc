"""Let people work on alerts: `POST /v1/alerts/{alert}/…`, each change once, and none over somebody else's."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ValidationError

from schemas.alertsapi import (
    CHANGES_MAX,
    DUE_DAYS_MAX,
    IDEMPOTENCY_KEY_PATTERN,
    SNOOZE_DAYS_MAX,
    WORK_TAG_PATTERN,
    Assignment,
    Closing,
    Due,
    Note,
    Snooze,
)
from schemas.faults import WHOLE, faults_of
from schemas.instant import parse_instant
from services.api.alert_answers import alert_answer, work_tag
from services.api.alert_requests import alert_id
from services.api.alerts import UNKNOWN
from services.api.customers import NO_STORE, Parts
from services.api.requests import Asked, bad
from services.core import alert_work
from services.core.alert_work import Done, Whose, Work
from services.core.instants import instant_of
from services.infra.errors import UnavailableError
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused, refusal
from services.infra.sources import Scope
from services.state.database import WorkTables

WRITE: Final[Scope] = "alerts:write"

Body = Callable[[], Awaitable[bytes | Refused]]
"""Reads the rest of a request, or says why not."""

Act = Callable[[Work, Whose], Done | None]

_KEY: Final = re.compile(IDEMPOTENCY_KEY_PATTERN)
_TAG: Final = re.compile(WORK_TAG_PATTERN)


class _Fault(NamedTuple):
    field: str
    reason: str


class Wanted(NamedTuple):
    """A change as a request asks for it."""

    alert: UUID
    act: Act
    whose: Whose
    if_match: str
    key: str | None


class AlertChanges:
    """Changes the work on alerts, for whoever may."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def change(self, verb: str, asked: Asked, body: Body) -> Answer:
        """Answer `POST /v1/alerts/{alert}/{verb}` with the alert as it is then."""
        wanted = await self._wanted(verb, asked, body)
        if isinstance(wanted, Answer):
            return wanted.with_headers(NO_STORE)
        try:
            async with self._parts.database.work() as work:
                answer = await _changed(work, wanted)
        except UnavailableError as error:
            answer = refusal(Refused("unavailable"))._replace(because=str(error))
        return answer.with_headers(NO_STORE)

    async def _wanted(self, verb: str, asked: Asked, body: Body) -> Wanted | Answer:
        reader = self._parts.entrance.reader(asked, WRITE)
        if isinstance(reader, Refused):
            return refusal(reader)
        read = await body() if verb in MODELS else b""
        if isinstance(read, Refused):
            return refusal(read)
        refused = _refused(asked)
        alert = alert_id(asked.identity)
        if refused is not None or alert is None:
            return refusal(refused or UNKNOWN)
        whose = Whose(reader.name, instant_of(self._parts.clock.now_us()))
        act = act_of(verb, read, now=whose.at)
        if isinstance(act, Answer):
            return act
        return Wanted(alert, act, whose, asked.if_match or "", asked.idempotency_key)


def act_of(verb: str, body: bytes, *, now: datetime) -> Act | Answer:
    """Understand what is to be done, or refuse it with what to mend."""
    model = MODELS.get(verb)
    try:
        asked = None if model is None else model.model_validate_json(body)
    except ValidationError as error:
        return _unreadable(error)
    return PLAIN[verb] if asked is None else _act_told(asked, now)


def _act_told(asked: BaseModel, now: datetime) -> Act | Answer:
    act: Act | Answer
    match asked:
        case Snooze():
            act = _timed("until", asked.until, alert_work.snooze, now, SNOOZE_DAYS_MAX)
        case Due(at=str() as at):
            act = _timed("at", at, alert_work.set_due, now, DUE_DAYS_MAX)
        case Due():
            act = _without(alert_work.set_due)
        case Assignment(to=None):
            act = _without(alert_work.assign)
        case Assignment(to=str() as to):
            act = _with(alert_work.assign, to)
        case Note(text=text):
            act = _with(alert_work.note, text)
        case Closing():
            act = _closing(asked)
        case unknown:
            raise TypeError(type(unknown))
    return act


def _reopen(work: Work, _: Whose) -> Done | None:
    return alert_work.reopen(work)


PLAIN: Final[Mapping[str, Act]] = {"ack": alert_work.acknowledge, "reopen": _reopen}
"""What needs no more words."""

MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "snooze": Snooze,
    "assign": Assignment,
    "due": Due,
    "note": Note,
    "close": Closing,
}
"""What the others are told."""

VERBS: Final = (*PLAIN, *MODELS)


def _without(act: Callable[[Work, None], Done | None]) -> Act:
    return lambda work, _: act(work, None)


def _with(act: Callable[[Work, str], Done | None], told: str) -> Act:
    return lambda work, _: act(work, told)


def _closing(asked: Closing) -> Act:
    return lambda work, whose: alert_work.close(work, whose, outcome=asked.outcome, text=asked.note)


def _timed(
    field: str, text: str, act: Callable[[Work, datetime], Done | None], now: datetime, days_max: int
) -> Act | Answer:
    """Give the act, or refuse a time that is past or too far off."""
    at = parse_instant(text)
    if not now < at <= now + timedelta(days=days_max):
        return _refusal("invalid-change", [_Fault(field, f"must be a time within the next {days_max} days")])
    return lambda work, _: act(work, at)


async def _changed(work: WorkTables, wanted: Wanted) -> Answer:
    """Make the change, unless it is made already or somebody else was there before."""
    before = await work.alerts.lock(wanted.alert)
    if before is None:
        return refusal(UNKNOWN)
    done = wanted.act(before, wanted.whose)
    made = None if wanted.key is None else await work.alerts.made_under(wanted.key, wanted.alert)
    if made is not None and done is not None and (made.what, made.detail) != (done.what, done.detail):
        return refusal(Refused("idempotency-key-reused"))
    # What is as it is wanted is not somebody else's doing, whoever did it.
    if made is None and done is not None:
        if wanted.if_match not in {"*", work_tag(before)}:
            return refusal(Refused("alert-changed"))
        await work.alerts.keep(wanted.alert, done, wanted.whose, key=wanted.key)
    alert = await work.alerts.found(wanted.alert)
    if alert is None:
        return refusal(UNKNOWN)
    changes = await work.alerts.changes(wanted.alert, limit=CHANGES_MAX)
    body = alert_answer(alert, changes).model_dump_json().encode()
    return Answer(200, body, headers={"ETag": work_tag(alert.work)})


def _refused(asked: Asked) -> Refused | None:
    """Tell what is wrong with the headers and the query, or None."""
    if asked.query:
        return bad("A parameter is not known here.")
    if asked.if_match is None:
        return Refused("alert-revision-required")
    if not _TAG.fullmatch(asked.if_match):
        return bad("The header If-Match must be the ETag of the alert, or *.")
    if asked.idempotency_key is not None and not _KEY.fullmatch(asked.idempotency_key):
        return bad("The header Idempotency-Key must be 1 to 128 printable ASCII characters without a blank.")
    return None


def _unreadable(error: ValidationError) -> Answer:
    if error.errors(include_url=False)[0]["type"] == "json_invalid":
        return refusal(Refused("malformed-json"))
    return _refusal(
        "invalid-change",
        [_Fault("change" if fault.field == WHOLE else fault.field, fault.reason) for fault in faults_of(error)],
    )


def _refusal(slug: str, faults: list[_Fault]) -> Answer:
    return refusal(Refused(slug), {"faults": [fault._asdict() for fault in faults]})
