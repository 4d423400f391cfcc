"""Remember which processes a stack started, and end those that outlived it."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from services.infra.files import write_private

FILE: Final = "pids.json"

SAME_START_S: Final = 1.0
"""The kernel counts starts in hundredths of a second; the clock may have been set a little meanwhile."""

PATIENCE_S: Final = 10.0
"""A broker or a database ends cleanly well within this."""


class Record(NamedTuple):
    """Enough to know a process again: a pid alone may be somebody else's by now."""

    name: str
    pid: int
    started: float
    command: tuple[str, ...]


def record(name: str, pid: int, command: tuple[str, ...]) -> Record | None:
    """Describe a live process, or None when it has gone."""
    try:
        return Record(name, pid, psutil.Process(pid).create_time(), command)
    except psutil.NoSuchProcess:
        return None


def remember(data: Path, records: Iterable[Record]) -> None:
    """Write down all processes of the stack, in one step."""
    write_private(data / FILE, json.dumps([record._asdict() for record in records]) + "\n")


def forget(data: Path) -> None:
    """Say that no process is left."""
    (data / FILE).unlink(missing_ok=True)


def end_orphans(data: Path) -> list[str]:
    """End what a former stack left running here and return the names; touches nothing else, whatever its pid."""
    alive = [(record, process) for record in _remembered(data) if (process := _same(record)) is not None]
    for record, process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(_gentle(record.name))
    _, left = psutil.wait_procs([process for _, process in alive], timeout=PATIENCE_S)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=PATIENCE_S)
    forget(data)
    return [record.name for record, _ in alive]


def _gentle(name: str) -> signal.Signals:
    # Services first of all must not go on writing; Postgres' SIGINT is its fast shutdown.
    return {"kafka": signal.SIGTERM, "postgres": signal.SIGINT}.get(name, signal.SIGKILL)


def _remembered(data: Path) -> list[Record]:
    try:
        rows = json.loads((data / FILE).read_text(encoding="utf-8"))
        return [Record(row["name"], row["pid"], row["started"], tuple(row["command"])) for row in rows]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []


def _same(record: Record) -> psutil.Process | None:
    try:
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.started) < SAME_START_S
        return process if same and tuple(process.cmdline()) == record.command else None
    except psutil.Error:
        return None
