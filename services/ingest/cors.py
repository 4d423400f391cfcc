"""Let pages of other origins read the door's answers, whatever their status (the Fetch standard's CORS protocol)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from services.infra.http.answer import Application, Message, Receive, Scope, Send

_USUAL: Final = b"authorization, content-type"
"""Headers that are allowed to a page that asks for none."""

_NAMES: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}){0,31}")
"""Names of headers; whoever asks for more than a few dozen is no client."""

_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, POST"),
    # Chromium asks again after two hours whatever is said here, Firefox after a day.
    (b"access-control-max-age", b"86400"),
)
_VARY: Final = (b"vary", b"Origin")


def with_cors(app: Application, *, allows: Callable[[str], bool], is_open: Callable[[str], bool]) -> Application:
    """Wrap the application.

    `allows` tells whether any key may be used by pages of an origin, `is_open` whether pages have business at a path.
    """

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        origin = _header(scope["headers"], b"origin")
        if origin is None or not is_open(scope["path"]):
            await app(scope, receive, send)
            return
        readable = _readable(origin) if allows(origin.decode("latin-1")) else []
        asked = _header(scope["headers"], b"access-control-request-method")
        if scope["method"] == "OPTIONS" and asked is not None:
            headers = [_VARY, *readable, *(_permitted(scope) if readable else ())]
            start = {"type": "http.response.start", "status": 204}
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], _VARY, *readable]
            await send(message)

        await app(scope, receive, sending)

    return answered


def _permitted(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Allow the headers that are asked for: libraries for tracing add their own, and none of them can do harm here."""
    asked = _header(scope["headers"], b"access-control-request-headers") or _USUAL
    return [*_PREFLIGHT, (b"access-control-allow-headers", asked if _NAMES.fullmatch(asked) else _USUAL)]


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    return next((value for header, value in headers if header == name), None)


def _readable(origin: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", b"Retry-After")]
