"""Serve an application over HTTP until told to stop, within what one process bears."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Final, NamedTuple

import uvicorn

from services.infra.http.answer import Answer, Application, Receive, Scope, Send, send_answer
from services.infra.http.problems import Refused, refusal
from services.infra.http.protocol import DeadlineProtocol
from services.infra.http.room import Room, connections_allowed

LOOK_S: Final = 1.0
"""How often answers that nobody reads are looked for; a look at a thousand connections takes a tenth of a millisecond."""

PROBES: Final = frozenset({"/livez", "/readyz"})
"""Whoever asks these decides whether the process may go on, and an answer costs nothing."""


class Limits(NamedTuple):
    """What one HTTP process bears; each process says why its own are as they are."""

    backlog: int
    """Connections the kernel holds while the loop is busy."""
    connections_max: int
    """Connections kept at once: for one more, the longest idle goes."""
    requests_max: int | None
    """Requests running at once, above it 503 at once; None where the process bounds its memory otherwise."""
    idle_s: int
    """How long a connection without a request is kept."""
    unread_s: int
    """How long an answer may wait for its receiver to read it."""
    finish_s: int
    """How long requests under way get when the process is told to stop."""


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us: its own way ends the process by the signal, not with 0."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def serve_http(
    app: Application,
    listener: socket.socket,
    *,
    stop: asyncio.Event,
    limits: Limits,
    refused: Callable[[Answer], None] | None = None,
) -> None:
    """Serve until `stop` is set, then finish the requests under way; `refused` is told of requests above the limit."""
    room = Room(connections_allowed(limits.connections_max))
    server = _Server(
        uvicorn.Config(
            bounded(app, running=lambda: len(server.server_state.tasks), most=limits.requests_max, refused=refused),
            http=partial(DeadlineProtocol, room=room),  # type: ignore[arg-type]  # called like the class it makes
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
        beside = [tasks.create_task(end()), tasks.create_task(_look_after(room, unread_s=limits.unread_s))]
        await server.serve(sockets=[listener])
        for task in beside:
            task.cancel()


async def _look_after(room: Room, *, unread_s: float) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        room.abort_unread(seconds_max=unread_s)


def bounded(
    app: Application, *, running: Callable[[], int], most: int | None, refused: Callable[[Answer], None] | None
) -> Application:
    """Answer 503 at once while more requests run than `most`, this one among them; None leaves the application as it is.

    Probes are always answered.
    """
    if most is None:
        return app
    busy = refusal(Refused("unavailable")).with_headers({"Connection": "close"})
    busy = busy._replace(because="as many requests run as may")

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if running() <= most or scope["path"] in PROBES:
            await app(scope, receive, send)
            return
        if refused is not None:
            refused(busy)
        await send_answer(busy, send)

    return guarded
