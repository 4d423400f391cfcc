"""Show the long steps of a start: a live line each on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Advance = Callable[[int, int], None]
"""Told how much of how much is done."""


TELL_S: Final = 2.0
"""How often a long step says where it is when there is no terminal to redraw."""


class Steps:
    """Steps that may run at the same time; used as a context while there are any."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Progress | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal and not self.console.quiet:
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[count]}"))
            self._live = Progress(SpinnerColumn(), *columns, TimeElapsedColumn(), console=self.console)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, line: str) -> None:
        """Print one line, above whatever is live."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, text: str) -> Iterator[Advance]:
        """Show one step until it ends; what is yielded moves its bar."""
        if self._live is None:
            yield from self._plain(text)
        else:
            live, task = self._live, self._live.add_task(text, total=None, count="")
            yield lambda done, total: live.update(task, completed=done, total=total, count=f"{done}/{total}")
            live.update(task, completed=1, total=1)

    def _plain(self, text: str) -> Iterator[Advance]:
        began = told = time.monotonic()
        self.say(f"{text} …")

        def advance(done: int, total: int) -> None:
            nonlocal told
            if time.monotonic() - told > TELL_S:
                told = time.monotonic()
                self.say(f"{text}: {done} of {total}")

        yield advance
        self.say(f"{text}: done in {time.monotonic() - began:.1f} s")
