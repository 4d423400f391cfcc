"""Run one process: read its settings, serve until a signal says stop, leave with a code that tells why."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final

import uvloop

from services.infra.errors import ConfigurationError
from services.infra.logs import configure_logs, get_logger
from services.infra.settings import Settings, read_settings

EXIT_CONFIGURATION: Final = 2
"""What a supervisor takes as: an operator must act."""

log = get_logger(__name__)


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
