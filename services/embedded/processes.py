"""Start child processes that die with us, and end processes surely."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import psutil

LAUNCH: Final = Path(__file__).with_name("launch.py")

LOG_BYTES_MAX: Final = 8 * 1024 * 1024
"""A day of warnings; one older file is kept beside it."""


class Account(NamedTuple):
    """A user of this machine."""

    name: str
    uid: int
    gid: int


class Program(NamedTuple):
    """What to run and how it is told that its parent died."""

    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str]
    death: signal.Signals
    account: Account | None = None
    directory: Path | None = None


def spawn(program: Program) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; the pid is the program's own. Call from a thread that outlives it.

    Linux sends the death signal when the *thread* that started the child ends.
    """
    rotate(program.log)
    uid, gid = (program.account.uid, program.account.gid) if program.account else (-1, -1)
    launcher = (sys.executable, "-I", "-S", str(LAUNCH), str(int(program.death)), str(os.getpid()), str(uid), str(gid))
    with program.log.open("ab") as log:
        return subprocess.Popen(
            (*launcher, *program.command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(program.environment),
            cwd=program.directory,
            start_new_session=True,
        )


def rotate(log: Path) -> None:
    """Set a log that has grown past its limit aside, in place of the one set aside before."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_name(f"{log.name}.1"))


def trim(log: Path) -> None:
    """Do the same for a log that is being written: copy it aside and empty it; its writer appends from the start."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)


def last_lines(log: Path, count: int = 12) -> str:
    """Return the end of a log without Java's stack frames, for a message about the child that wrote it."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join([line for line in lines if not line.startswith("\tat ")][-count:])


def send(process: subprocess.Popen[bytes], signum: signal.Signals) -> None:
    """Signal a child that may have gone already."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signum)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a child and whatever it started itself, and reap it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def finish(process: subprocess.Popen[bytes], *, first: signal.Signals, patience_s: float) -> int:
    """Ask a child to end, wait, then kill it with its own children; return its exit code."""
    send(process, first)
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        kill_group(process)
    return process.returncode


def run_as(account: Account | None, command: Sequence[str], *, input_text: str = "", timeout_s: float = 60.0) -> str:
    """Run a short program to its end as this user and return what it printed.

    Raises subprocess.CalledProcessError with the output.
    """
    done = subprocess.run(
        command,
        input=input_text,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=True,
        cwd="/",
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    return done.stdout


def processes_in(directory: Path, name: str) -> list[psutil.Process]:
    """Live processes of this name whose working directory is this one."""
    found = []
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error, OSError):
            if process.info["name"] == name and Path(process.cwd()) == directory:
                found.append(process)
    return found
