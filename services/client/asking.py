"""Ask the API until it answers: what a command may ask again, it need not be run again for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from services.client.posting import ATTEMPTS_MAX, WAIT_S_MAX, asked_wait_s, problem_of
from services.infra.errors import ConfigurationError, UnavailableError

Parameters = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How one kind of question is asked: whatever it is, asking it twice must do no more than asking it once."""

    http: httpx.AsyncClient
    pause: Callable[[float], Awaitable[object]]
    try_later: Collection[int]
    """Statuses after which the same question may be answered in a while."""
    afterwards: str
    """What somebody may do when no answer came."""

    async def answer(
        self,
        method: str,
        path: str,
        *,
        parameters: Parameters | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Return an answer; raises ConfigurationError when asking again is of no use, UnavailableError when none comes."""
        told = {} if content is None else {"Content-Type": "application/json"}
        reason = ""
        for attempt in range(ATTEMPTS_MAX):
            wait_s = min(0.2 * 2**attempt, WAIT_S_MAX)
            try:
                answer = await self.http.request(
                    method, path, params=parameters, content=content, headers={**told, **(headers or {})}
                )
            except httpx.TransportError as error:
                reason = f"the API at {self.http.base_url} does not answer: {type(error).__name__}"
            else:
                if answer.status_code == HTTPStatus.OK:
                    return answer
                reason = f"the API answered {answer.status_code}: {problem_of(answer)}"
                if answer.status_code not in self.try_later:
                    raise ConfigurationError(reason)
                wait_s = asked_wait_s(answer, otherwise_s=wait_s)
            if attempt + 1 < ATTEMPTS_MAX:
                await self.pause(wait_s)
        raise UnavailableError(f"{reason} (asked {ATTEMPTS_MAX} times); {self.afterwards}")
