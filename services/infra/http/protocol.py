"""HTTP/1.1 for our doors: what never becomes a request is answered with a problem, within limits of time and size."""

from __future__ import annotations

from asyncio import AbstractEventLoop, TimerHandle, Transport
from typing import Any, Final

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from services.infra.http.problems import Refused, refusal
from services.infra.http.room import Room

HEAD_SECONDS_MAX: Final = 5.0
"""A request's head fits into one packet; whoever needs longer holds a socket for nothing."""

HEAD_BYTES_MAX: Final = 64 * 1024
"""Four times what the door accepts, so that a merely large head still gets a proper answer."""

PIPELINE_MAX: Final = 8
"""Requests that may wait on a connection for the answers before them; clients that pipeline at all send two or three."""

_MALFORMED: Final = refusal(Refused("malformed-request")).on_the_wire()
_TOO_SLOW: Final = refusal(Refused("timeout")).on_the_wire()
_TOO_LARGE: Final = refusal(Refused("headers-too-large")).on_the_wire()


_FULL: Final = refusal(Refused("unavailable")).on_the_wire()


class _FloodError(Exception):
    """More requests wait on a connection than may; the parser stops at it."""


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with limits; uvicorn itself would wait for ever, and hold whatever comes.

    A head must come within its time and size, and the rest of a body that was answered before it was whole within
    the same time. How long an unanswered body may take is the application's to say. Whatever comes after a head and
    is no body (chunks' extensions, trailers) is bounded like a head, and read by nobody: a trailer is no header.
    """

    _head_timer: TimerHandle | None = None
    _head_bytes = 0
    _in_head = False
    _rest_timer: TimerHandle | None = None
    _message_open = False
    _unanswered = 0
    _body_bytes = 0
    _bytes_without_body = 0
    _unread_since: float | None = None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
        *,
        room: Room,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._room = room

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        super().connection_made(transport)
        if self._room.enter(self):
            self._await_head()
        else:
            transport.write(_FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._room.leave(self)
        self._head_arrived()
        self._rest_arrived()
        super().connection_lost(exc)

    def close_idle(self) -> None:
        """Close; nobody waits for an answer on it, and one that is not read by then never is."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def abort_unread(self, *, seconds_max: float) -> None:
        """Cut off a peer that has left an answer unread for so long."""
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = self.loop.time()
        elif self.loop.time() - self._unread_since > seconds_max:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        head, body_bytes, in_body = self._head_timer, self._body_bytes, self._in_body
        super().data_received(data)
        if self._head_timer is not None and self._head_timer is head:
            # A head that began within this read is counted from the next one on: what came before it was a body's.
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(_TOO_LARGE)
        elif in_body and self._in_body:
            self._bytes_without_body = 0 if self._body_bytes > body_bytes else self._bytes_without_body + len(data)
            if self._bytes_without_body > HEAD_BYTES_MAX:
                self._refuse(_TOO_LARGE)
        elif not self._unanswered and not self._message_open:
            # Bytes between two requests end uvicorn's own waiting for the next one.
            self._await_head()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words, which ours replace
        self._refuse(_MALFORMED)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._message_open = self._in_head = True
        self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._unanswered > PIPELINE_MAX:
            raise _FloodError
        super().on_headers_complete()
        self._in_head = False
        self._head_arrived()
        self._unanswered += 1
        self._room.begins(self)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._message_open = False
        self._bytes_without_body = 0
        self._rest_arrived()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._unanswered -= 1
        if not self._unanswered:
            self._room.rests(self)
        super().on_response_complete()
        if self._message_open and self._head_timer is None and self._rest_timer is None:
            self._rest_timer = self.loop.call_later(HEAD_SECONDS_MAX, self.transport.close)

    @property
    def _in_body(self) -> bool:
        return self._message_open and not self._in_head

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
