"""Post to a door until it answers: what may be sent again is, with waits, and is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import httpx
import msgspec

from services.infra.errors import UnavailableError

ATTEMPTS_MAX: Final = 12
"""With the waits below about a minute and a half: a broker or a door restarts within that."""

WAIT_S_MAX: Final = 10.0
"""The longest wait between attempts, also when the door asks for more: a person is watching."""

TIMEOUT_S: Final = 20.0
"""Four times the door's own deadline: whoever says nothing for so long is gone."""

_TRY_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Problem(msgspec.Struct):
    """RFC 9457: why the request as a whole was refused."""

    title: str = ""
    detail: str = ""


_PROBLEM: Final = msgspec.json.Decoder(_Problem)


@dataclass(slots=True, kw_only=True)
class Poster:
    """A connection to a door.

    `repeated` counts the events of requests that were sent again although nobody knows whether the first
    attempt reached the log: so many duplicates may stand in it.
    """

    http: httpx.AsyncClient
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    repeated: int = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str], *, events: int) -> httpx.Response:
        """Return an answer that will not change by asking again.

        Raises UnavailableError when the door stays away: the events may or may not be in the log, and may be sent again.
        """
        reason = ""
        for attempt in range(ATTEMPTS_MAX):
            wait_s = min(0.2 * 2**attempt, WAIT_S_MAX)
            try:
                answer = await self.http.post(path, content=body, headers=headers)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                reason = f"no connection: {error}"  # it never arrived, so it cannot be there twice
            except httpx.TransportError as error:
                reason = f"no answer: {type(error).__name__}"
                self.repeated += events
            else:
                if answer.status_code not in _TRY_LATER:
                    return answer
                reason = f"{answer.status_code}: {problem_of(answer)}"
                wait_s = asked_wait_s(answer, otherwise_s=wait_s)
                self.repeated += events
            if attempt + 1 < ATTEMPTS_MAX:
                await self.pause(wait_s)
        raise UnavailableError(f"{self.http.base_url} took nothing in {ATTEMPTS_MAX} attempts ({reason})")


def open_poster(*, url: str, headers: Mapping[str, str], connections: int) -> Poster:
    """Connect to the door at this address, with so many requests at once, each with these headers."""
    return Poster(
        http=httpx.AsyncClient(
            base_url=url,
            headers=dict(headers),
            timeout=httpx.Timeout(TIMEOUT_S),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            trust_env=False,
        )
    )


def problem_of(answer: httpx.Response) -> str:
    """Say why a request was refused as a whole."""
    try:
        problem = _PROBLEM.decode(answer.content)
    except msgspec.DecodeError:
        return HTTPStatus(answer.status_code).phrase
    return problem.detail or problem.title or HTTPStatus(answer.status_code).phrase


def asked_wait_s(answer: httpx.Response, *, otherwise_s: float) -> float:
    """How long the door asks to wait, within our own bound."""
    try:
        asked_s = float(answer.headers.get("Retry-After", ""))
    except ValueError:
        return otherwise_s
    return min(max(asked_s, 0.0), WAIT_S_MAX)
