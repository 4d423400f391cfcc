"""Post to a sink over HTTP: bounded in time and size, without redirects; what the status means stands in one place."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Final, NamedTuple

import httpx

from services.outbound.notify.sink import Later, Off, Refused

TIMEOUT_S: Final = 15.0
"""From the connection to the end of the answer; the slowest of these services promises ten."""

ANSWER_BYTES_MAX: Final = 16 * 1024

AFTER_S_MAX: Final = 3600.0
"""A sink that wants to be left alone for longer is asked again after an hour."""

_AWAY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_SHUT: Final = frozenset({401, 403, 404, 405, 410})
"""The address or the key is wrong, or was withdrawn: no message gets through."""


class Answer(NamedTuple):
    """What a server said."""

    status: int
    text: str
    after_s: float | None
    """Its Retry-After."""

    @property
    def taken(self) -> bool:
        """Whether it has the message."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own

    def trouble(self, *, said: str = "") -> Later | Refused | Off:
        """What a status means that says the message was not taken; `said` is its reason where that holds no secret."""
        because = f"it answered {self.status}" + (f" ({said[:200]})" if said else "")
        if self.status in _AWAY or self.status >= 500:  # noqa: PLR2004 - HTTP's own
            return Later(because, self.after_s)
        if self.status in _SHUT:
            return Off(because)
        if 300 <= self.status < 400:  # noqa: PLR2004 - HTTP's own
            return Off(f"{because}: it has moved; write its new address")
        return Refused(because)


async def post(client: httpx.AsyncClient, url: str, *, content: bytes, headers: Mapping[str, str]) -> Answer | Later:
    """Post a body of JSON; Later when there was no answer, and then nobody knows whether it arrived."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            async with client.stream(
                "POST",
                url,
                content=content,
                headers={"content-type": "application/json", "accept-encoding": "identity", **headers},
            ) as response:
                body = b""
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > ANSWER_BYTES_MAX:
                        break
                text = body[:ANSWER_BYTES_MAX].decode("utf-8", "replace")
                return Answer(response.status_code, text, _after_s(response.headers.get("retry-after")))
    except TimeoutError:
        return Later(f"it did not answer within {TIMEOUT_S:.0f} s", unsure=True)
    except httpx.ConnectError:
        return Later("it cannot be reached")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # The words of these errors may hold the address, and with it the secret.
        return Later(f"the connection failed ({type(error).__name__})", unsure=True)


def _after_s(header: str | None) -> float | None:
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return min(max(seconds, 1.0), AFTER_S_MAX) if math.isfinite(seconds) else None


def cut(text: str, chars_max: int) -> str:
    """A text within a sink's limit."""
    return text if len(text) <= chars_max else f"{text[: chars_max - 1]}…"
