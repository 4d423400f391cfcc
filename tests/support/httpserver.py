"""A server of our own in a thread, on the loop that the processes run on, around an application of a test."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvloop

from services.infra.http.answer import Receive, Scope, Send
from services.infra.http.listening import bind
from services.infra.http.server import Limits, serve_http

TIMEOUT_S = 20.0


@dataclass
class Recorder:
    """An application that reads a body, says how many bytes it had, and remembers what it was asked."""

    answer_bytes: int = 0
    hold: threading.Event = field(default_factory=threading.Event)
    seen: list[Scope] = field(default_factory=list)
    finished: int = 0

    def __post_init__(self) -> None:
        self.hold.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope)
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        if not self.hold.is_set():
            await asyncio.to_thread(self.hold.wait, TIMEOUT_S)
        body = b"%d\n" % size + b"x" * self.answer_bytes
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self.finished += 1


@contextmanager
def served(app: Recorder, limits: Limits) -> Iterator[int]:
    """Serve on a free port for as long as the test needs."""
    listener = bind(host="127.0.0.1", port=0, backlog=limits.backlog)
    port = int(listener.getsockname()[1])
    started = threading.Event()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        ends.append((asyncio.get_running_loop(), stop))
        started.set()
        await serve_http(app, listener, stop=stop, limits=limits)

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    started.wait(TIMEOUT_S)
    try:
        yield port
    finally:
        app.hold.set()
        ((loop, stop),) = ends
        loop.call_soon_threadsafe(stop.set)
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


def connected(port: int) -> socket.socket:
    """Open a connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)


def one_answer(connection: socket.socket) -> bytes:
    """Read one answer whole: a busy machine sends its head and its body apart."""
    said = b""
    while (head := said.partition(b"\r\n\r\n"))[1] == b"" or len(head[2]) < _length(head[0]):
        piece = connection.recv(65_536)
        if not piece:
            break
        said += piece
    return said


def _length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: ([0-9]+)", head)
    return int(found[1]) if found else 0


def everything(connection: socket.socket) -> bytes:
    """Read until the server closes, in whatever way."""
    said = b""
    try:
        while piece := connection.recv(65_536):
            said += piece
    except ConnectionResetError:
        pass
    return said
