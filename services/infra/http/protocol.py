"""HTTP/1.1 for our doors: what never becomes a request is answered with a problem, within limits of time and size."""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.infra.http.problems import Refused, refusal

HEAD_SECONDS_MAX: Final = 5.0
"""A request's head fits into one packet; whoever needs longer holds a socket for nothing."""

HEAD_BYTES_MAX: Final = 64 * 1024
"""Four times what the door accepts, so that a merely large head still gets a proper answer."""

_MALFORMED: Final = refusal(Refused("malformed-request")).on_the_wire()
_TOO_SLOW: Final = refusal(Refused("timeout")).on_the_wire()
_TOO_LARGE: Final = refusal(Refused("headers-too-large")).on_the_wire()


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
