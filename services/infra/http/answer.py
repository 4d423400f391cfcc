"""One HTTP answer by value, and its way out through ASGI or onto a bare connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, NamedTuple

Scope = MutableMapping[str, Any]
"""What ASGI tells of a request; its values are of many types."""

Message = MutableMapping[str, Any]
"""One step of a request or of an answer in ASGI."""

Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application, without a framework's types."""


class Answer(NamedTuple):
    """One HTTP answer; one without content has no media type."""

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: Mapping[str, str] = {}
    problem: str = ""
    """Of a refusal: its row in the table of problems."""
    because: str = ""
    """Of a refusal: what an operator should know of its cause, and no caller."""

    def with_headers(self, headers: Mapping[str, str]) -> Answer:
        """Return the same answer with more headers; of two with one name these hold."""
        return self._replace(headers={**self.headers, **headers})

    def on_the_wire(self, *, with_body: bool = True) -> bytes:
        """Return the whole answer as the last one of a connection."""
        fields = {
            **self.headers,
            "Content-Type": self.media_type,
            "Content-Length": str(len(self.body)),
            "Connection": "close",
        }
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return head + self.body if with_body else head


async def send_answer(answer: Answer, send: Send) -> None:
    """Give an answer in the place of an application."""
    fields = {**answer.headers, "Content-Type": answer.media_type, "Content-Length": str(len(answer.body))}
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
