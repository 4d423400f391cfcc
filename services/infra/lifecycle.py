"""Run one HTTP process: bind, serve until a signal says stop, finish what is under way."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Final, NamedTuple

import uvicorn
import uvloop

from services.infra.errors import ConfigurationError
from services.infra.http.protocol import Application, DeadlineProtocol, bounded
from services.infra.logs import configure_logs, get_logger
from services.infra.settings import Settings, read_settings

EXIT_CONFIGURATION: Final = 2
"""What a supervisor takes as: an operator must act."""

log = get_logger(__name__)


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


def bind(*, host: str, port: int, backlog: int) -> socket.socket:
    """Listen on an address; port 0 takes a free one. Raises ConfigurationError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error.strerror}): free the port or set another"
        ) from error


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


def on_signals(*, stop: Callable[[], None], reload: Callable[[], None]) -> None:
    """SIGTERM and SIGINT stop the process gracefully; SIGHUP reloads."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reload)


async def until(stop: asyncio.Event, work: Awaitable[None]) -> None:
    """Let work go on until `stop` is set; when it fails first, its error goes up."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        task.result()
        return
    task.cancel()
    await asyncio.wait({task})


def run(serve: Callable[[Settings], Coroutine[None, None, None]], *, name: str) -> None:
    """Read the settings and run a process's main coroutine on uvloop; a mistake in them ends it with its fix."""
    configure_logs(Settings.model_fields["log_level"].default)
    try:
        settings = read_settings()
        configure_logs(settings.log_level)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except (ConfigurationError, ExceptionGroup) as error:
        reason = _misconfiguration(error)
        if reason is None:
            raise
        log.error("misconfigured", service=name, reason=str(reason))  # noqa: TRY400 - the message is the fix
        sys.exit(EXIT_CONFIGURATION)


def _misconfiguration(error: Exception) -> ConfigurationError | None:
    """The mistake itself, also out of a group of tasks that it has ended; None when that holds something else."""
    match error:
        case ConfigurationError():
            return error
        case ExceptionGroup(exceptions=(one,)):
            return _misconfiguration(one)
        case _:
            return None
