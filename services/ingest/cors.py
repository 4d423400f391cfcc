"""Let pages of other origins read the door's answers, whatever their status (the Fetch standard's CORS protocol)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from services.infra.http.answer import Application, Message, Receive, Scope, Send

PREFIX: Final = "/v1/"
"""Where pages send to; the paths of operators are none of their business."""

_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"POST"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, content-encoding, ce-specversion, ce-id, ce-source, ce-type, ce-time, ce-subject",
    ),
    # Chromium asks again after two hours whatever is said here, Firefox after a day.
    (b"access-control-max-age", b"86400"),
)
_VARY: Final = (b"vary", b"Origin")


def with_cors(app: Application, *, allows: Callable[[str], bool]) -> Application:
    """Wrap the application; `allows` tells whether any key may be used by pages of an origin."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        origin = _header(scope["headers"], b"origin")
        if origin is None or not scope["path"].startswith(PREFIX):
            await app(scope, receive, send)
            return
        readable = _readable(origin) if allows(origin.decode("latin-1")) else []
        asked = _header(scope["headers"], b"access-control-request-method")
        if scope["method"] == "OPTIONS" and asked is not None:
            headers = [_VARY, *readable, *(_PREFLIGHT if readable else ())]
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


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    return next((value for header, value in headers if header == name), None)


def _readable(origin: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", b"Retry-After")]
