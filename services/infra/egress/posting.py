"""Post once to a URL that somebody else chose: to the address that was checked, with a bound on everything it answers.

A connection of its own for each request, no redirects, no proxy from the environment, and whatever the other side does,
an outcome within its time.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

import httptools

from services.infra.egress.addresses import Address, Network
from services.infra.egress.resolving import Resolver, Unresolved, ways_to
from services.infra.egress.urls import Target

ANSWER_S: Final = 15.0
"""The whole of it, from the name to the answer's head: what the Standard Webhooks spec gives a receiver."""

BODY_S: Final = 2.0
"""The answer's body is only for the log: its head has said what became of the request."""

CONNECT_S: Final = 5.0
"""For each address: the next one has a chance when one is a black hole."""

WAYS_MAX: Final = 3

BODY_BYTES_MAX: Final = 16 * 1024
HEAD_BYTES_MAX: Final = 64 * 1024
"""Of heads, those before the last one too: a flood of 1xx answers ends here."""

READ_BYTES: Final = 16 * 1024
RETRY_AFTER_CHARS_MAX: Final = 64
FIRST_FINAL: Final = 200

Outcome = Literal["blocked", "unresolved", "unreachable", "timeout", "malformed"]


class Answered(NamedTuple):
    """The other side answered, with any status."""

    status: int
    retry_after: str | None
    body: bytes
    """Its beginning."""


class Unanswered(NamedTuple):
    """There was no answer."""

    outcome: Outcome
    because: str
    """Of our own words; nothing that the other side said."""


class Way(NamedTuple):
    """How requests leave."""

    resolver: Resolver
    allowed: Sequence[Network]
    """Networks that may be reached beside public ones."""
    tls: ssl.SSLContext


async def post(target: Target, headers: Mapping[str, str], body: bytes, *, way: Way) -> Answered | Unanswered:
    """Post a body; raises nothing but a cancellation."""
    answer = _Answer()
    try:
        async with asyncio.timeout(ANSWER_S):
            ways = await ways_to(target.host, way.resolver, allowed=way.allowed)
            if isinstance(ways, Unresolved):
                return Unanswered("blocked" if ways.blocked else "unresolved", ways.because)
            await _exchange(ways, target, _request(target, headers, body), answer, tls=way.tls)
    except TimeoutError:
        return answer.so_far or Unanswered("timeout", f"no answer within {ANSWER_S:.0f} seconds")
    except ssl.SSLError as error:
        return answer.so_far or Unanswered("unreachable", f"TLS: {error.reason or 'failed'}")
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return answer.so_far or Unanswered("malformed", "what it answered is no HTTP")
    except OSError as error:
        return answer.so_far or Unanswered("unreachable", type(error).__name__)
    return answer.so_far or Unanswered("malformed", answer.lacks)


async def _exchange(
    ways: Sequence[Address], target: Target, request: bytes, answer: _Answer, *, tls: ssl.SSLContext
) -> None:
    reader, writer = await _connected(ways[:WAYS_MAX], target, tls)
    try:
        writer.write(request)
        await writer.drain()
        while answer.so_far is None and not answer.ended:
            answer.take(await reader.read(READ_BYTES))
        async with asyncio.timeout(BODY_S):
            while not answer.ended:
                answer.take(await reader.read(READ_BYTES))
    finally:
        # Without a farewell: whoever does not take it would keep us.
        writer.transport.abort()


async def _connected(
    ways: Sequence[Address], target: Target, tls: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    encrypted = target.scheme == "https"
    failure: OSError = ConnectionError("no address")
    for address in ways:
        try:
            async with asyncio.timeout(CONNECT_S):
                # An address is not resolved again, so it is the one that was checked.
                return await asyncio.open_connection(
                    str(address),
                    target.port,
                    limit=READ_BYTES,
                    ssl=tls if encrypted else None,
                    server_hostname=target.host if encrypted else None,
                )
        except OSError as error:  # TimeoutError is one of them
            failure = error
    raise failure


def _request(target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    told = {
        "Host": target.authority,
        "Connection": "close",
        "Accept-Encoding": "identity",
        "Content-Length": str(len(body)),
        **headers,
    }
    lines = [f"POST {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class _Answer:
    """Reads an answer as far as it is of use."""

    def __init__(self) -> None:
        self.ended = False
        self.lacks = "it closed the connection without an answer"
        self._parser = httptools.HttpResponseParser(self)
        self._retry_after: str | None = None
        self._status = 0
        self._head_bytes = 0
        self._body = bytearray()

    @property
    def so_far(self) -> Answered | None:
        """The answer, once its head is there."""
        return Answered(self._status, self._retry_after, bytes(self._body)) if self._status else None

    def take(self, piece: bytes) -> None:
        """Read on; nothing means that the other side has ended it."""
        if not piece:
            self.ended = True
            return
        if not self._status:
            self._head_bytes += len(piece)
        self._parser.feed_data(piece)
        if not self._status and self._head_bytes > HEAD_BYTES_MAX:
            self.ended, self.lacks = True, f"its head is larger than {HEAD_BYTES_MAX // 1024} KiB"

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after" and not self._status:
            self._retry_after = value.decode("latin-1")[:RETRY_AFTER_CHARS_MAX]

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= FIRST_FINAL and not self._status:
            self._status = status

    def on_body(self, piece: bytes) -> None:
        self._body += piece[: BODY_BYTES_MAX - len(self._body)]
        self.ended = self.ended or len(self._body) >= BODY_BYTES_MAX

    def on_message_complete(self) -> None:
        self.ended = self.ended or bool(self._status)
