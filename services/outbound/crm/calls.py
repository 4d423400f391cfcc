"""HTTP calls to others' systems: counted before they are made, bounded in time and size, and never redirected."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

import httpx

from services.infra.clock import Clock
from services.outbound.crm.contract import Trouble, in_words

TIMEOUT_S: Final = 30.0
"""Batches of a hundred take seconds where workflows hang on each record."""

WHOLE_S: Final = 60.0
"""From a request to the end of its answer: one that comes byte by byte is no answer."""

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
"""Results of ten thousand rows; a system that sends more sends something else."""

THROTTLED: Final = 429
UNAUTHORISED: Final = 401
BUSY: Final = frozenset({408, 423, 425})
SERVER_ERRORS_FROM: Final = 500
BAD_FROM: Final = 300

Spend = Callable[[int], Awaitable[Trouble | None]]
"""Asks for so many calls of the budget, and waits for them if that is soon; trouble when it is not."""


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever a system writes
        """What the body holds; None for what is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Caller:
    """Makes the calls of one connector."""

    def __init__(self, client: httpx.AsyncClient, *, url: str, spend: Spend, clock: Clock) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._spend = spend
        self._clock = clock

    async def call(  # noqa: PLR0913 -- what makes a request
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: object = None,
        content: bytes | None = None,
        query: Mapping[str, str] | None = None,
        cost: int = 1,
    ) -> Reply | Trouble:
        """Make a call; an answer of any status is a reply, a system that does not answer is away."""
        refused = await self._spend(cost)
        if refused is not None:
            return refused
        url = path if path.startswith(("http://", "https://")) else self._url + path
        sent = {"User-Agent": "tactus", **headers}
        if body is not None:
            content, sent["Content-Type"] = json.dumps(body, ensure_ascii=False).encode(), "application/json"
        try:
            request = self._client.build_request(
                method, url, headers=sent, content=content, params=query, timeout=TIMEOUT_S
            )
            async with asyncio.timeout(WHOLE_S):
                return await self._answer(request)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return Trouble("away", f"does not answer ({type(error).__name__})")

    async def _answer(self, request: httpx.Request) -> Reply | Trouble:
        response = await self._client.send(request, stream=True)
        try:
            read = bytearray()
            async for piece in response.aiter_bytes():
                read += piece
                if len(read) > ANSWER_BYTES_MAX:
                    return Trouble("away", "its answer has no end")
            return Reply(response.status_code, response.headers, bytes(read))
        finally:
            await response.aclose()

    def trouble(self, reply: Reply, *, words: str | None = None) -> Trouble | None:
        """What the status of a reply says of the whole call; None for one of success."""
        said = in_words(words or reply.body[:2000].decode(errors="replace") or f"status {reply.status}")
        if reply.status < BAD_FROM:
            return None
        if reply.status == UNAUTHORISED:
            return Trouble("unauthorised", said)
        if reply.status == THROTTLED:
            return Trouble("throttled", said, self.wait_s(reply))
        if reply.status in BUSY or reply.status >= SERVER_ERRORS_FROM:
            return Trouble("away", said, self.wait_s(reply))
        return Trouble("refused", said)

    def wait_s(self, reply: Reply) -> float | None:
        """How long the system asks to wait, by Retry-After in either form."""
        said = reply.headers.get("retry-after", "")
        try:
            return max(0.0, float(said))
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(said).timestamp() - self._clock.now_us() / 1e6)
        except (TypeError, ValueError):
            return None
