"""The port for operators: /metrics, /livez and /readyz beside any running event loop."""

from __future__ import annotations

import asyncio
from typing import Final

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from services.infra.http.answer import Answer
from services.infra.http.health import Readiness, livez, plain, readyz
from services.infra.http.listening import bind
from services.infra.logs import get_logger
from services.infra.metrics import announce_build

HEAD_BYTES_MAX: Final = 16 * 1024
"""A scrape's request line and headers are under 1 KiB."""

REQUEST_SECONDS_MAX: Final = 5.0
"""A scraper that sends slower than this is not one; Prometheus itself gives up after 10 s."""

CLOSE_SECONDS_MAX: Final = 2.0
"""Open scrapes get this long at shutdown, then they are cut."""

OPEN_MAX: Final = 64
"""Far more than the scrapers and probes there are: one more, and the longest open goes."""

BACKLOG: Final = 64
"""A handful of scrapers and probes, each with one connection at a time."""

NO_STORE: Final = {"Cache-Control": "no-store"}

log = get_logger(__name__)


def answer_to(*, method: str, path: str, accept: str, ready: Readiness) -> Answer:
    """Answer one request."""
    if method not in {"GET", "HEAD"}:
        return plain(405, "only GET and HEAD")
    match path.partition("?")[0]:
        case "/metrics":
            encode, media_type = choose_encoder(accept)
            return Answer(200, encode(REGISTRY), media_type)
        case "/livez":
            return livez()
        case "/readyz":
            return readyz(ready)
        case _:
            return plain(404, "try /metrics, /livez or /readyz")


def _parse(head: bytes) -> tuple[str, str, str] | None:
    """Method, path and Accept of a request's head; None when it is not HTTP."""
    first, *fields = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    match words:
        case [method, path, protocol] if protocol.startswith("HTTP/1."):
            pass
        case _:
            return None
    accept = [
        value.strip()
        for name, _, value in (field.partition(":") for field in fields)
        if name.strip().lower() == "accept"
    ]
    return method, path, ",".join(accept)


class OperationsServer:
    """A listening operators' port; made by `serve_operations`."""

    def __init__(self, *, ready: Readiness) -> None:
        self._ready = ready
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[object], asyncio.StreamWriter] = {}
        self.port = 0

    async def start(self, *, host: str, port: int) -> None:
        listener = bind(host=host, port=port, backlog=BACKLOG)
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=HEAD_BYTES_MAX)
        self.port = int(listener.getsockname()[1])

    async def close(self) -> None:
        """Stop listening; answers under way get a moment to finish."""
        if self._server is None:
            return
        self._server.close()
        if self._open:
            _, late = await asyncio.wait([*self._open], timeout=CLOSE_SECONDS_MAX)
            for task in late:
                self._open[task].transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served in a task of its own")
        if len(self._open) >= OPEN_MAX:
            self._open.pop(next(iter(self._open))).transport.abort()
        self._open[task] = writer
        try:
            async with asyncio.timeout(REQUEST_SECONDS_MAX):
                await self._answer(reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # the peer left, or sent nothing in time: there is nobody to answer
        finally:
            self._open.pop(task, None)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            head = b""
        request = _parse(head)
        if request is None:
            writer.write(plain(400, "not HTTP/1.1").on_the_wire())
        else:
            method, path, accept = request
            answer = answer_to(method=method, path=path, accept=accept, ready=self._ready)
            writer.write(answer.with_headers(NO_STORE).on_the_wire(with_body=method != "HEAD"))
        await writer.drain()


async def serve_operations(*, host: str, port: int, ready: Readiness) -> OperationsServer:
    """Listen on the operators' port of this process; port 0 takes a free one.

    It lives in the running loop and installs no signal handler, so it fits beside Faust and uvicorn.
    Raises ConfigurationError when the port is taken.
    """
    announce_build()
    server = OperationsServer(ready=ready)
    await server.start(host=host, port=port)
    log.info("operations_listening", host=host, port=server.port)
    return server
