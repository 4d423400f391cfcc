"""The client of the API for dead letters: asks until it answers, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpx
import msgspec

from services.client.asking import Asking, Parameters
from services.client.posting import WAIT_S_MAX

TIMEOUT_S: Final = 60.0
"""The API asks ingest twice for a page, and gives it 20 seconds each time."""

LETTERS: Final = "/v1/dead-letters"
REPLAY: Final = f"{LETTERS}/replay"
DISCARD: Final = f"{LETTERS}/discard"

_TRY_LATER: Final = frozenset({408, 429, 500, 502, 503, 504})


class Summary(msgspec.Struct, frozen=True):
    """A letter in a list."""

    id: int
    state: str
    at: str
    origin: str
    reason: str
    detail: str
    source: str | None
    channel: str | None
    event_id: str | None
    size: int


class Change(msgspec.Struct, frozen=True):
    """What was done about a letter."""

    at: str
    by: str
    outcome: str
    detail: str


class Whole(Summary, frozen=True):
    """A letter with what it holds."""

    path: str | None
    received_at: str | None
    topic: str
    part: int
    offset: int
    value: str | None
    masked: bool
    truncated: bool
    changes: list[Change]


class Outcome(msgspec.Struct, frozen=True):
    """What became of a letter, or would."""

    id: int
    outcome: str
    reason: str
    detail: str


class Page(msgspec.Struct, frozen=True):
    """A page of a list."""

    letters: list[Summary]
    next: str | None


class Outcomes(msgspec.Struct, frozen=True):
    """A page of outcomes."""

    outcomes: list[Outcome]
    next: str | None
    retry_after_s: int


_PAGE: Final = msgspec.json.Decoder(Page)
_WHOLE: Final = msgspec.json.Decoder(Whole)
_OUTCOMES: Final = msgspec.json.Decoder(Outcomes)


@dataclass(slots=True, kw_only=True)
class LettersClient:
    """A key's connection to the API."""

    http: httpx.AsyncClient
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def letters(self, parameters: Parameters) -> AsyncIterator[Summary]:
        """Every letter that is meant, the oldest first."""
        cursor: Parameters = {}
        while True:
            page = _PAGE.decode(await self._asked("GET", LETTERS, {**parameters, **cursor}))
            for letter in page.letters:
                yield letter
            if page.next is None:
                return
            cursor = {"cursor": page.next}

    async def letter(self, letter: int) -> Whole:
        """One letter; raises ConfigurationError when there is none of this id."""
        return _WHOLE.decode(await self._asked("GET", f"{LETTERS}/{letter}", {}))

    async def outcomes(self, method: str, path: str, parameters: Parameters) -> AsyncIterator[Outcomes]:
        """Act on the letters that are meant, page by page; where ingest asks to wait, that is done between two."""
        cursor: Parameters = {}
        while True:
            page = _OUTCOMES.decode(await self._asked(method, path, {**parameters, **cursor}))
            yield page
            if page.next is None:
                return
            if page.retry_after_s:
                await self.pause(min(page.retry_after_s, WAIT_S_MAX))
            cursor = {"cursor": page.next}

    async def _asked(self, method: str, path: str, parameters: Parameters) -> bytes:
        """Whatever is asked may be asked again: a letter that was dealt with is not dealt with twice."""
        again = "the same command goes on from here"
        asking = Asking(http=self.http, pause=self.pause, try_later=_TRY_LATER, afterwards=again)
        return (await asking.answer(method, path, parameters=parameters)).content


def open_letters(*, url: str, key: str) -> LettersClient:
    """A client for the API at this address."""
    headers = {"Authorization": f"Bearer {key}"}
    return LettersClient(http=httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False))
