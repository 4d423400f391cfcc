"""HTTP/1.1 over a bare socket: a test's request goes out as it is written."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable, Sequence
from typing import NamedTuple

TIMEOUT_S = 20.0


class Reply(NamedTuple):
    """What the server answered."""

    status: int
    headers: dict[str, str]
    body: bytes


def exchange(
    port: int,
    *,
    method: str = "POST",
    path: str = "/v1/events",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    chunked: bool = False,
) -> Reply:
    """Send one request on a connection of its own, and read the answer to its end."""
    framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    head += [f"{name}: {value}" for name, value in (framing, *headers)]
    request = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + (_chunks(body) if chunked else body)
    return send(port, [request])


def send(port: int, pieces: Sequence[bytes]) -> Reply:
    """Send bytes, whatever they are, and read an answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        for piece in pieces:
            connection.sendall(piece)
        with http.client.HTTPResponse(connection) as response:
            response.begin()
            return Reply(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )


def _chunks(body: bytes) -> bytes:
    size = 10_000
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
