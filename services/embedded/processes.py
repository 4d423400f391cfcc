"""Start child processes that die with us, and end processes surely."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from services.embedded import launch
from services.infra.errors import ConfigurationError

LAUNCH: Final = Path(launch.__file__)

ENVIRONMENT: Final[Mapping[str, str]] = {"PATH": os.defpath, "LANG": "C.UTF-8"}
"""All that Kafka and Postgres are told: what a shell has set (PG…, JAVA…, a locale) is meant for others."""

RUN_S: Final = 60.0
"""Creating a database takes a second, formatting a broker's directory two."""

LOG_BYTES_MAX: Final = 8 * 1024 * 1024
"""A day of warnings; one older file is kept beside it."""


class Account(NamedTuple):
    """A user of this machine."""

    uid: int
    gid: int


class Program(NamedTuple):
    """What to run, all that it gets to know of our environment, who it runs as, and where: a directory of that user's."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    account: Account | None = None
    directory: Path | None = None


def spawn(program: Program, *, log: Path, death: signal.Signals) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; the pid is the program's own. Call from a thread that outlives it.

    Linux sends the death signal when the *thread* that started the child ends.
    """
    rotate(log)
    with log.open("ab") as output:
        return subprocess.Popen(
            launcher(program, death),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(program.environment),
            start_new_session=True,
        )


def run(program: Program, *, input_text: str = "") -> str:
    """Run a short program to its end and return what it printed.

    Raises ConfigurationError when rights stand in its way, subprocess.CalledProcessError with its output when it fails.
    """
    try:
        done = subprocess.run(
            launcher(program, signal.SIGKILL),
            input=input_text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=RUN_S,
            check=True,
            env=dict(program.environment),
        )
    except subprocess.CalledProcessError as error:
        if error.returncode == launch.REFUSED:
            raise ConfigurationError(error.stderr.strip()) from error
        raise
    return done.stdout


def launcher(program: Program, death: signal.Signals) -> tuple[str, ...]:
    """Return the command that starts a program which gets this signal when the thread that started it ends."""
    uid, gid = program.account or (-1, -1)
    words = (int(death), os.getpid(), uid, gid, program.directory or "")
    return (sys.executable, "-I", "-S", str(LAUNCH), *map(str, words), *program.command)


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


def processes_with(word: str, *, name: str) -> list[psutil.Process]:
    """Live processes of this name that have the word in their command line or title."""
    found = []
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error):
            if process.info["name"] == name and any(word in part for part in process.cmdline()):
                found.append(process)
    return found
