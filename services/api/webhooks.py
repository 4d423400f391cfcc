"""Answer about webhooks: make, change and remove endpoints, look at their deliveries, send one again."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeVar
from uuid import UUID, uuid4

from pydantic import BaseModel, ValidationError

from schemas.faults import WHOLE, faults_of
from schemas.instant import write_instant
from schemas.webhooksapi import (
    CHANGES_MAX,
    ENDPOINTS_MAX,
    FORMER_SECRET_HOURS,
    TEST,
    DeliveryQueued,
    NewWebhook,
    SecretAnswer,
    WebhookChanges,
    WebhookMessage,
    WebhooksAnswer,
)
from services.api.customers import NO_STORE
from services.api.entrance import Entrance
from services.api.requests import Asked, bad
from services.api.webhook_answers import deliveries_answer, delivery_answer, endpoint_answer, made_answer, whole_answer
from services.api.webhook_requests import page_of
from services.core.instants import instant_of
from services.infra.clock import Clock
from services.infra.egress.gate import Gate
from services.infra.errors import UnavailableError
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused, refusal
from services.infra.sources import Reader, Scope
from services.state.database import ReadDatabase
from services.state.webhooks import EndpointChange, EndpointRow, WebhookTables

SCOPE: Final[Scope] = "webhooks"

SECRET_BYTES: Final = 32
"""The Standard Webhooks spec asks for 24 to 64."""

_UNKNOWN: Final = Refused("unknown-webhook")
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")
_WHOLE: Final = "webhook"

ModelT = TypeVar("ModelT", bound=BaseModel)

Body = Callable[[], Awaitable[bytes | Refused]]
"""Reads the rest of a request, or says why not."""

Told = BaseModel | Refused | Answer
AnsweringOfOne = Callable[[WebhookTables, EndpointRow, str], Awaitable[Told]]
"""Answers about one webhook, to whoever has a key of this name."""


class Parts(NamedTuple):
    """What webhooks are made of."""

    database: ReadDatabase
    entrance: Entrance
    gate: Gate
    clock: Clock


class Webhooks:
    """Answers to whoever has a key with the scope `webhooks`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def list(self, asked: Asked) -> Answer:
        """Answer `GET /v1/webhooks`."""

        async def told(_: Reader) -> Told:
            async with self._parts.database.webhooks() as tables:
                rows = await tables.endpoints(limit=ENDPOINTS_MAX)
            return WebhooksAnswer(webhooks=[endpoint_answer(row) for row in rows])

        return await self._answer(asked, told)

    async def make(self, asked: Asked, body: Body) -> Answer:
        """Answer `POST /v1/webhooks`."""

        async def told(reader: Reader) -> Told:
            wanted = await self._read(body, NewWebhook)
            if not isinstance(wanted, NewWebhook):
                return wanted
            barred = await self._parts.gate.refusal(wanted.url)
            if barred is not None:
                return Refused("url-not-allowed", barred)
            endpoint, secret, at = uuid4(), new_secret(), self._now()
            async with self._parts.database.webhooks() as tables:
                if await tables.count() >= ENDPOINTS_MAX:
                    return Refused("too-many-webhooks")
                change = EndpointChange(wanted.url, wanted.description, wanted.kinds, wanted.bands, wanted.severities)
                await tables.make(endpoint, change, secret=secret, at=at)
                await tables.note(endpoint, "made", by=reader.name, at=at)
                row = await _found(tables, endpoint)
            return Answer(201, made_answer(row, secret=secret).model_dump_json().encode())

        return await self._answer(asked, told)

    async def show(self, asked: Asked) -> Answer:
        """Answer `GET /v1/webhooks/{webhook}`."""

        async def told(tables: WebhookTables, row: EndpointRow, _: str) -> Told:
            return whole_answer(row, await tables.changes(row.id, limit=CHANGES_MAX))

        return await self._about_one(asked, told)

    async def change(self, asked: Asked, body: Body) -> Answer:
        """Answer `PATCH /v1/webhooks/{webhook}`."""

        async def told(reader: Reader) -> Told:
            wanted = await self._read(body, WebhookChanges)
            if not isinstance(wanted, WebhookChanges):
                return wanted
            barred = None if wanted.url is None else await self._parts.gate.refusal(wanted.url)
            if barred is not None:
                return Refused("url-not-allowed", barred)

            async def changed(tables: WebhookTables, row: EndpointRow, by: str) -> Told:
                await tables.change(row.id, EndpointChange(**wanted.model_dump()))
                await tables.note(row.id, wanted.state or "changed", by=by, at=self._now())
                return whole_answer(await _found(tables, row.id), await tables.changes(row.id, limit=CHANGES_MAX))

            return await self._of_one(asked, reader, changed)

        return await self._answer(asked, told)

    async def remove(self, asked: Asked) -> Answer:
        """Answer `DELETE /v1/webhooks/{webhook}`."""

        async def told(tables: WebhookTables, row: EndpointRow, by: str) -> Told:
            await tables.remove(row.id)
            await tables.note(row.id, "removed", by=by, at=self._now())
            return Answer(204, b"", "")

        return await self._about_one(asked, told)

    async def rotate(self, asked: Asked) -> Answer:
        """Answer `POST /v1/webhooks/{webhook}/secret`."""

        async def told(tables: WebhookTables, row: EndpointRow, by: str) -> Told:
            secret, at = new_secret(), self._now()
            former_until = at + timedelta(hours=FORMER_SECRET_HOURS)
            await tables.rotate(row.id, secret=secret, at=at, former_until=former_until)
            await tables.note(row.id, "rotated", by=by, at=at)
            return SecretAnswer(secret=secret, former_until=write_instant(former_until))

        return await self._about_one(asked, told)

    async def test(self, asked: Asked) -> Answer:
        """Answer `POST /v1/webhooks/{webhook}/test`."""

        async def told(tables: WebhookTables, row: EndpointRow, _: str) -> Told:
            at = self._now()
            message = WebhookMessage(type=TEST, timestamp=write_instant(at), data={"webhook": str(row.id)})
            queued = await tables.deliver(
                row.id, message=f"test_{uuid4().hex}", kind=TEST, body=message.model_dump_json(), at=at
            )
            return DeliveryQueued(delivery=queued)

        return await self._about_one(asked, told)

    async def deliveries(self, asked: Asked) -> Answer:
        """Answer `GET /v1/webhooks/{webhook}/deliveries`."""
        page = page_of(asked.query)

        async def told(tables: WebhookTables, row: EndpointRow, _: str) -> Told:
            if isinstance(page, Refused):
                return page
            found = await tables.deliveries(row.id, before=page.before, state=page.state, limit=page.limit + 1)
            return deliveries_answer(found, limit=page.limit)

        return await self._about_one(asked._replace(query=b""), told)

    async def delivery(self, asked: Asked) -> Answer:
        """Answer `GET /v1/webhooks/{webhook}/deliveries/{delivery}`."""

        async def told(tables: WebhookTables, row: EndpointRow, _: str) -> Told:
            found = await tables.delivery(row.id, number) if (number := _number(asked.part)) else None
            return Refused("unknown-delivery") if found is None else delivery_answer(*found)

        return await self._about_one(asked, told)

    async def replay(self, asked: Asked) -> Answer:
        """Answer `POST /v1/webhooks/{webhook}/deliveries/{delivery}/replay`."""

        async def told(tables: WebhookTables, row: EndpointRow, _: str) -> Told:
            number = _number(asked.part)
            if not number or await tables.delivery(row.id, number) is None:
                return Refused("unknown-delivery")
            if not await tables.replay(row.id, number, at=self._now()):
                return Refused("delivery-superseded")
            return DeliveryQueued(delivery=number)

        return await self._about_one(asked, told)

    async def _about_one(self, asked: Asked, answering: AnsweringOfOne) -> Answer:
        async def told(reader: Reader) -> Told:
            return await self._of_one(asked, reader, answering)

        return await self._answer(asked, told)

    async def _of_one(self, asked: Asked, reader: Reader, answering: AnsweringOfOne) -> Told:
        """Answer about the webhook that the path names, in one transaction."""
        if not _ID.fullmatch(asked.identity):
            return _UNKNOWN
        async with self._parts.database.webhooks() as tables:
            row = await tables.endpoint(UUID(asked.identity))
            return _UNKNOWN if row is None else await answering(tables, row, reader.name)

    async def _answer(self, asked: Asked, answering: Callable[[Reader], Awaitable[Told]]) -> Answer:
        reader = self._parts.entrance.reader(asked, SCOPE)
        if isinstance(reader, Refused):
            return refusal(reader).with_headers(NO_STORE)
        if asked.query:
            return refusal(bad("A parameter is not known here.")).with_headers(NO_STORE)
        try:
            told = await answering(reader)
        except UnavailableError as error:
            return refusal(Refused("unavailable"))._replace(because=str(error)).with_headers(NO_STORE)
        match told:
            case Refused():
                answer = refusal(told)
            case Answer():
                answer = told
            case _:
                answer = Answer(200, told.model_dump_json().encode())
        return answer.with_headers(NO_STORE)

    async def _read(self, body: Body, model: type[ModelT]) -> ModelT | Refused | Answer:
        read = await body()
        if isinstance(read, Refused):
            return read
        try:
            return model.model_validate_json(read)
        except ValidationError as error:
            if error.errors(include_url=False)[0]["type"] == "json_invalid":
                return Refused("malformed-json")
            faults = {_WHOLE if one.field == WHOLE else one.field: one.reason for one in faults_of(error)}
            told = [{"field": field, "reason": reason} for field, reason in faults.items()]
            return refusal(Refused("invalid-webhook"), {"faults": told})

    def _now(self) -> datetime:
        return instant_of(self._parts.clock.now_us())


def new_secret() -> str:
    """Make a secret as the spec writes them."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _number(segment: str) -> int:
    return int(segment) if _NUMBER.fullmatch(segment) else 0


async def _found(tables: WebhookTables, endpoint: UUID) -> EndpointRow:
    row = await tables.endpoint(endpoint)
    if row is None:
        raise UnavailableError("somebody removed the webhook at this moment")
    return row
