"""How a command that runs for a while tells a person how far it is, and what ended it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from services.client.sending import Sending
from services.infra.errors import TactusError

SHOWN_EVERY_S: Final = 0.2
"""How often the bar moves."""

LINE_EVERY_S: Final = 5.0
"""How often a line tells the progress when there is no terminal."""

INTERRUPTED: Final = 130
"""What a shell expects of a program ended by Ctrl-C."""


async def show(name: str, sending: Sending, *, done: Callable[[], int], total: int) -> None:
    """Show how far it is until cancelled: a bar on a terminal, a line now and then elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        while True:
            await asyncio.sleep(LINE_EVERY_S)
            part = 100 * done() // max(total, 1)
            say(f"{name}: {part} %, {sending.answered} events, {sending.rate:.0f} events/s")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(name, total=total)
        try:
            while True:
                bar.update(task, completed=done(), description=f"{sending.answered} events, {sending.rate:.0f}/s")
                await asyncio.sleep(SHOWN_EVERY_S)
        finally:
            bar.update(task, completed=done())


def reason_of(error: BaseException) -> str:
    """Say what to tell a person: our own errors say what to do; of a group, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, TactusError):
        raise error
    return str(error)


def say(line: str) -> None:
    """Tell a person, beside what the command prints for programs."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
