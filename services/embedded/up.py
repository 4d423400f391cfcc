"""`tactus up`: run the whole product on this machine until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Final

from rich.console import Console

from services.client.connection import DEFAULT_DATA, FILE, Connection
from services.embedded.stack import LocalStack
from services.infra.errors import ConfigurationError, TactusError

STOPPED: Final = 0
FAILED: Final = 1
REFUSED: Final = 2


def run(data: Path | None, workers: int) -> int:
    """Run until SIGINT, SIGTERM or SIGHUP and return 0; 1 when a child cannot run, 2 when an operator must act."""
    console = Console(soft_wrap=True)
    try:
        stack = LocalStack(data or DEFAULT_DATA, workers=workers, usual_ports=data is None, console=console)
        asyncio.run(_serve(stack, console))
    except ConfigurationError as error:
        console.print(f"tactus up: {error}", markup=False, highlight=False)
        return REFUSED
    except TactusError as error:
        console.print(f"tactus up: {error}", markup=False, highlight=False)
        return FAILED
    return STOPPED


async def _serve(stack: LocalStack, console: Console) -> None:
    told = _Told(stack, console)
    told.listen()
    try:
        async with stack as connection:
            _announce(connection, console)
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        if not told.stopping:
            raise
    console.print("Stopped.")


class _Told:
    """What signals do: the first one ends the stack in order, a second one at once."""

    def __init__(self, stack: LocalStack, console: Console) -> None:
        self.stopping = False
        self._stack = stack
        self._console = console
        self._task = asyncio.current_task()

    def listen(self) -> None:
        """Take over the signals that ask a program to end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop)

    def _stop(self) -> None:
        if self.stopping:
            self._stack.kill()
            return
        self.stopping = True
        self._console.print("Stopping: first the services, then Kafka and Postgres …")
        if self._task is not None:
            self._task.cancel()


def _announce(connection: Connection, console: Console) -> None:
    lines = (
        f"ingest    {connection.ingest}/v1/events",
        f"API       {connection.api}",
        f"Kafka     {connection.kafka}",
        f"Postgres  {connection.postgres.partition('@')[2].partition('?')[0]} (password in {connection.data / FILE})",
        f"keys and process ids: {connection.data / FILE}; logs: {connection.data / 'logs'}",
        "Ready. Ctrl-C stops everything.",
    )
    console.print("\n".join(lines), markup=False, highlight=False)
