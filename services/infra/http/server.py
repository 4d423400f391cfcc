"""Serve an application over HTTP until told to stop, within what one process bears."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple

import uvicorn

from services.infra.http.answer import Application, Receive, Scope, Send, send_answer
from services.infra.http.problems import Refused, refusal
from services.infra.http.protocol import DeadlineProtocol


class Limits(NamedTuple):
    """What one HTTP process bears; each process says why its own are as they are."""

    backlog: int
    """Connections the kernel holds while the loop is busy."""
    requests_max: int | None
    """Requests and connections at once, above it 503 at once; None where the process bounds its memory otherwise."""
    idle_s: int
    """How long a connection without a request is kept."""
    finish_s: int
    """How long requests under way get when the process is told to stop."""


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us: its own way ends the process by the signal, not with 0."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def serve_http(app: Application, listener: socket.socket, *, stop: asyncio.Event, limits: Limits) -> None:
    """Serve until `stop` is set, then finish the requests under way."""

    def crowd() -> int:
        """Count what is served, this request and its connection among it."""
        return max(len(server.server_state.tasks), len(server.server_state.connections))

    server = _Server(
        uvicorn.Config(
            bounded(app, crowd=crowd, most=limits.requests_max),
            http=DeadlineProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=limits.idle_s,
            timeout_graceful_shutdown=limits.finish_s,
        )
    )

    async def end() -> None:
        await stop.wait()
        server.should_exit = True

    async with asyncio.TaskGroup() as tasks:
        ending = tasks.create_task(end())
        await server.serve(sockets=[listener])
        ending.cancel()


def bounded(app: Application, *, crowd: Callable[[], int], most: int | None) -> Application:
    """Answer 503 at once while the crowd is larger than `most`; None leaves the application as it is."""
    if most is None:
        return app
    busy = refusal(Refused("unavailable")).with_headers({"Connection": "close"})

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if crowd() <= most:
            await app(scope, receive, send)
        else:
            await send_answer(busy, send)

    return guarded
