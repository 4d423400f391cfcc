"""HTTP/1.1 for our doors: what never becomes a request is answered with a problem, within limits of time and size."""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from schemas.problem import MEDIA_TYPE, PROBLEMS, Problem

HEAD_SECONDS_MAX: Final = 5.0
"""A request's head fits into one packet; whoever needs longer holds a socket for nothing."""

HEAD_BYTES_MAX: Final = 64 * 1024
"""Four times what the door accepts, so that a merely large head still gets a proper answer."""

RETRY_AFTER_S: Final = 2
"""Requests are answered within a few seconds, so that by then most of those under way have made room."""


Send = Callable[[dict[str, object]], Awaitable[None]]
Application = Callable[..., Awaitable[None]]
"""An ASGI application, without a framework's types."""


def problem_body(slug: str) -> bytes:
    """Encode a problem of the one table that needs no further detail."""
    kind = PROBLEMS[slug]
    body = Problem(
        type=kind.uri, title=kind.title, status=kind.status, detail=kind.remedy
    )
    return body.model_dump_json(exclude_none=True).encode()


def _last_words(slug: str) -> bytes:
    """The whole answer on a connection that ends with it."""
    body, status = problem_body(slug), PROBLEMS[slug].status
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


_MALFORMED: Final = _last_words("malformed-request")
_TOO_SLOW: Final = _last_words("timeout")
_TOO_LARGE: Final = _last_words("headers-too-large")


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with a deadline and a limit for each request's head; uvicorn itself would wait for ever."""

    _head_timer: TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(_TOO_LARGE)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words, which ours replace
        self._refuse(_MALFORMED)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._head_arrived()
        super().on_headers_complete()

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(
                HEAD_SECONDS_MAX, self._refuse, _TOO_SLOW
            )

    def _head_arrived(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, answer: bytes) -> None:
        self._head_arrived()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()


def bounded(
    app: Application, *, crowd: Callable[[], int], most: int | None
) -> Application:
    """Answer 503 at once while the crowd is larger than `most`; None leaves the application as it is."""
    if most is None:
        return app
    kind = PROBLEMS["unavailable"]
    body = problem_body(kind.slug)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"%d" % RETRY_AFTER_S),
        (b"connection", b"close"),
    ]

    async def guarded(scope: object, receive: object, send: Send) -> None:
        if crowd() <= most:
            await app(scope, receive, send)
            return
        start = {"type": "http.response.start", "status": kind.status}
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return guarded
