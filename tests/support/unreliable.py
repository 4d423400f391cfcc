"""A way to a door that refuses, throttles and loses answers as a test says."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import httpx

Trouble = Literal["503", "429", "lost"]
"""lost: the door takes the request, and its answer never comes back."""

_HOP = frozenset({"connection", "transfer-encoding", "content-length", "host", "date", "server", "content-encoding"})


class UnreliableWay(ThreadingHTTPServer):
    """Stands before a door; each trouble meets one POST, in their order, and then all goes well."""

    daemon_threads = True

    def __init__(self, target: str, troubles: Iterable[Trouble]) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarding)
        self.target = target
        self.troubles = deque(troubles)
        self.met: list[str] = []
        self.statuses: list[tuple[str, int]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Forwarding(BaseHTTPRequestHandler):
    server: UnreliableWay
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        with self.server.lock:
            trouble = self.server.troubles.popleft() if self.server.troubles else None
            if trouble is not None:
                self.server.met.append(trouble)
        if trouble in ("503", "429"):
            self._body()
            self._refuse(int(trouble))
            return
        answer = self._forwarded()
        if trouble == "lost":
            self.close_connection = True
            return
        self._answer(answer)

    def do_GET(self) -> None:
        self._answer(self._forwarded())

    do_OPTIONS = do_GET  # noqa: N815 - the name that the library looks for

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _forwarded(self) -> httpx.Response:
        headers = [
            (name, value)
            for name, value in self.headers.items()
            if name.lower() not in _HOP - {"content-encoding", "host"}
        ]
        answer = httpx.request(
            self.command,
            self.server.target + self.path,
            headers=headers,
            content=self._body(),
            timeout=30,
            trust_env=False,
        )
        if self.command == "POST":
            self.server.statuses.append((self.path, answer.status_code))
        return answer

    def _answer(self, answer: httpx.Response) -> None:
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self._end(answer.content)

    def _refuse(self, status: int) -> None:
        """Answer as the door does: readable for pages, with when to come again."""
        self.send_response(status)
        self.send_header("Retry-After", "1")
        origin = self.headers.get("origin")
        if origin is not None:
            self.send_header("Access-Control-Allow-Origin", origin)
            self.send_header("Access-Control-Expose-Headers", "Retry-After")
            self.send_header("Vary", "Origin")
        self._end(b"{}")

    def _end(self, body: bytes) -> None:
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def unreliable_way(target: str, troubles: Iterable[Trouble] = ()) -> Iterator[UnreliableWay]:
    """Run one for the length of the block."""
    way = UnreliableWay(target, troubles)
    thread = threading.Thread(target=way.serve_forever, daemon=True)
    thread.start()
    try:
        yield way
    finally:
        way.shutdown()
        way.server_close()
        thread.join()
