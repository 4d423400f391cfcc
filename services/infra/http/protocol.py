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
    body = Problem(type=kind.uri, title=kind.title, status=kind.status, detail=kind.remedy)
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
    """uvicorn's HTTP/1.1 with deadlines; uvicorn itself would wait for ever.

    A head must come within its time and size, and the rest of a body that was answered before it was whole within
    the same time. How long an unanswered body may take is the application's to say.
    """

    _head_timer: TimerHandle | None = None
    _head_bytes = 0
    _rest_timer: TimerHandle | None = None
    _message_open = False
    _unanswered = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        self._rest_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        head = self._head_timer
        super().data_received(data)
        if self._head_timer is not None and self._head_timer is head:
            # A head that began within this read is counted from the next one on: what came before it was a body's.
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(_TOO_LARGE)
        elif not self._unanswered and not self._message_open:
            # Bytes between two requests end uvicorn's own waiting for the next one.
            self._await_head()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words, which ours replace
        self._refuse(_MALFORMED)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._message_open = True
        self._await_head()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head_arrived()
        self._unanswered += 1

    def on_message_complete(self) -> None:
        self._message_open = False
        self._rest_arrived()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._unanswered -= 1
        super().on_response_complete()
        if self._message_open and self._head_timer is None and self._rest_timer is None:
            self._rest_timer = self.loop.call_later(HEAD_SECONDS_MAX, self.transport.close)

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._refuse, _TOO_SLOW)

    def _head_arrived(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _rest_arrived(self) -> None:
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None

    def _refuse(self, answer: bytes) -> None:
        """Say why and close; without a word where it would be taken for the answer to an earlier request."""
        if self._head_timer is not None:
            in_turn = not self._unanswered
        else:
            in_turn = self._unanswered == 1 and not self.cycle.response_started
        self._head_arrived()
        if not self.transport.is_closing():
            if in_turn:
                self.transport.write(answer)
            self.transport.close()


def bounded(app: Application, *, crowd: Callable[[], int], most: int | None) -> Application:
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
