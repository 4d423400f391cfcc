"""Alerts over the API: list, show, and work on them; a change that is sent again is made once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

import httpx
import msgspec

from services.client.asking import Asking, Parameters

ALERTS: Final = "/v1/alerts"

TIMEOUT_S: Final = 10.0
_TRY_LATER: Final = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE}
)


class Reason(msgspec.Struct, frozen=True):
    """What one leaf did."""

    touchpoint: str
    channel: str
    place: str
    points: float


class Work(msgspec.Struct, frozen=True):
    """What people do about an alert."""

    revision: int
    assigned_to: str | None
    due_at: str | None
    snoozed_until: str | None
    acknowledged_at: str | None
    acknowledged_by: str | None
    done_by: str | None
    outcome: str | None


class Summary(msgspec.Struct, frozen=True):
    """An alert as a list has it."""

    id: str
    rule: str
    customer: str | None
    account: str | None
    severity: str
    state: str
    opened_at: str
    score_before: float
    score: float
    reasons: list[Reason]
    incident: str | None
    work: Work


class Change(msgspec.Struct, frozen=True):
    """What somebody did about an alert."""

    at: str
    by: str
    what: str
    detail: str


class Whole(Summary, frozen=True):
    """An alert with who did what about it."""

    changes: list[Change]


class _Page(msgspec.Struct, frozen=True):
    alerts: list[Summary]
    next: str | None


_PAGE: Final = msgspec.json.Decoder(_Page)
_WHOLE: Final = msgspec.json.Decoder(Whole)


@dataclass(slots=True, kw_only=True)
class AlertsClient:
    """A key's connection to the API."""

    http: httpx.AsyncClient
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def alerts(self, parameters: Parameters) -> AsyncIterator[Summary]:
        """Every alert that is meant, the newest first."""
        cursor: Parameters = {}
        while True:
            page = _PAGE.decode((await self._asking.answer("GET", ALERTS, parameters={**parameters, **cursor})).content)
            for alert in page.alerts:
                yield alert
            if page.next is None:
                return
            cursor = {"cursor": page.next}

    async def alert(self, alert: str) -> Whole:
        """One alert; raises ConfigurationError when there is none of this id."""
        return _WHOLE.decode((await self._asking.answer("GET", f"{ALERTS}/{alert}")).content)

    async def change(self, alert: str, verb: str, body: Mapping[str, object] | None) -> Whole:
        """Change the work on an alert as it is, and return it; ConfigurationError when somebody else does so meanwhile."""
        before = await self._asking.answer("GET", f"{ALERTS}/{alert}")
        headers = {"If-Match": before.headers["ETag"], "Idempotency-Key": uuid4().hex}
        content = None if body is None else msgspec.json.encode(body)
        answer = await self._asking.answer("POST", f"{ALERTS}/{alert}/{verb}", content=content, headers=headers)
        return _WHOLE.decode(answer.content)

    @property
    def _asking(self) -> Asking:
        again = "the same command may be run again"
        return Asking(http=self.http, pause=self.pause, try_later=_TRY_LATER, afterwards=again)


def open_alerts(*, url: str, key: str) -> AlertsClient:
    """A client for the API at this address."""
    headers = {"Authorization": f"Bearer {key}"}
    return AlertsClient(http=httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False))
