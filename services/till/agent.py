"""Run: one thread takes what the till says, one sends it, and both end when they are told to."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Callable, NamedTuple

from services.till import words
from services.till.folder import Folder
from services.till.limits import POLL_S
from services.till.sending import Sender
from services.till.stdin import Stdin
from services.till.store import Store, StoreFullError

TOLD_EVERY_S = 60.0
"""A log gets the line when something changed, and that often otherwise while anything waits."""


JOIN_S_MAX = 5.0
"""A commit to a slow disk; only where input cannot be asked whether it is there, reading takes longer."""


class Limits(NamedTuple):
    """What the operator chose."""

    backlog_bytes: int
    once: bool
    """End when all is sent, or cannot be for now."""


class Taking:
    """Takes from a folder or from standard input, until there is no more or it is told to end."""

    def __init__(self, source: Folder | Stdin, store: Store, stop: threading.Event, limits: Limits) -> None:
        self._thread = threading.Thread(target=self._run, name="taking", daemon=True)
        self._source = source
        self._store = store
        self._stop = stop
        self._limits = limits
        self.ended = False
        """Nothing more will come."""
        self.full = ""
        """Why nothing is taken for now."""
        self.error: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait until what was read is kept; a read that blocks has read nothing."""
        self._thread.join(JOIN_S_MAX)

    def _run(self) -> None:
        try:
            self._note("")
            while not self._stop.is_set() and not self.ended:
                self._round()
            if isinstance(self._source, Stdin):
                self._source.end()
        except BaseException as error:  # noqa: BLE001 - the other thread ends with it, and tells
            self.error = error
        finally:
            self.ended = True

    def _round(self) -> None:
        try:
            self.ended = self._take()
        except StoreFullError as error:
            self._told_full(str(error))
            self._stop.wait(POLL_S)

    def _take(self) -> bool:
        """Take once; tell whether that was the last time."""
        if not self._may_take():
            self._stop.wait(POLL_S)
            return False
        if isinstance(self._source, Stdin):
            return not self._source.take()
        if self._source.take(self._may_take) and self._limits.once:
            return True
        self._stop.wait(POLL_S)
        return False

    def _may_take(self) -> bool:
        waiting = self._store.backlog().bytes
        over = waiting >= self._limits.backlog_bytes
        self._told_full(
            f"{waiting / 1024**2:.0f} MiB wait: nothing more is taken until some is sent (--limit-mib)" if over else ""
        )
        return not over and not self._stop.is_set()

    def _told_full(self, full: str) -> None:
        if bool(full) != bool(self.full):
            self.full = full
            self._note(full)
        self.full = full

    def _note(self, full: str) -> None:
        try:
            self._store.note({"full": full})
        except StoreFullError:
            return  # there is no room to write down that there is none; the terminal shows it


class Shown:
    """The line on the terminal; in a log, a line when something changed."""

    def __init__(self, wall_s: Callable[[], float]) -> None:
        self._wall_s = wall_s
        self._terminal = sys.stderr.isatty()
        self._told = ""
        self._told_at_s = 0.0
        self._width = 0

    def show(self, line: str, *, kind: str, waiting: bool) -> None:
        now_s = self._wall_s()
        if self._terminal:
            # What does not fit would go on below, and not be written over.
            line = line[: shutil.get_terminal_size().columns - 1]
            sys.stderr.write("\r" + line.ljust(self._width))
            self._width = len(line)
        elif kind != self._told or (waiting and now_s - self._told_at_s >= TOLD_EVERY_S):
            self._told, self._told_at_s = kind, now_s
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def end(self, line: str) -> None:
        sys.stderr.write(("\r" + line.ljust(self._width) if self._terminal else line) + "\n")
        sys.stderr.flush()


class Agent(NamedTuple):
    """Everything that a run needs."""

    store: Store
    sender: Sender
    taking: Taking
    stop: threading.Event
    limits: Limits
    shown: Shown
    wall_s: Callable[[], float]
    folder: Path

    def run(self) -> int:
        """Run until nothing more comes and all is sent, or until it is told to end; return the exit code."""
        try:
            self.taking.start()
            code = self._run()
        except KeyboardInterrupt:
            code = 0
        finally:
            self.stop.set()
            self.taking.join()
        if self.taking.error is not None:
            raise self.taking.error
        waiting = self.store.backlog().lines
        self.shown.end(
            f"ended: {waiting} lines wait in {self.folder}, and go out when the agent runs again"
            if waiting
            else "all is sent"
        )
        return code

    def _run(self) -> int:
        next_at_s = time.monotonic()
        while self.taking.error is None:
            came_last = self.taking.ended
            if time.monotonic() >= next_at_s:
                next_at_s = time.monotonic() + self._step()
            trouble = self.sender.state.trouble
            wait_s = max(next_at_s - time.monotonic(), 0.0)
            self._show(f"{trouble}, again in {words.how_long(wait_s)}" if trouble else "", came_last=came_last)
            if came_last and not self.store.backlog().lines:
                return 0
            if (came_last or self.taking.full) and self.limits.once and trouble:
                return 1
            self.stop.wait(min(wait_s, POLL_S))
        return 1

    def _step(self) -> float:
        try:
            return self.sender.step()
        except StoreFullError as error:
            # What the door has could not be forgotten: it is sent again under the same ids, and counts once.
            self.taking.full = str(error)
            return POLL_S

    def _show(self, trouble: str, *, came_last: bool) -> None:
        backlog, state = self.store.backlog(), self.sender.state
        aside, sent = self.store.aside_count(), int(self.store.fact("sent") or 0)
        told = "; ".join(filter(None, [self.taking.full, trouble]))
        matters = state.clock is not None and state.clock.matters
        kind = f"{bool(self.taking.full)} {state.trouble} {aside} {matters} {backlog.lines == 0} {came_last}"
        line = words.line(backlog, sent=sent, aside=aside, trouble=told, clock=state.clock, now=self.wall_s())
        self.shown.show(line, kind=kind, waiting=backlog.lines > 0)
