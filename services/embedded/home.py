"""Find a user and a place for Postgres, which refuses to run as root."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from services.embedded.processes import Account, processes_in, run_as
from services.infra.errors import ConfigurationError

UNPRIVILEGED: Final = ("postgres", "nobody")
"""Accounts that every Linux has one of; the first that exists is taken."""

ROOMS: Final = (Path("/var/lib/tactus"), Path("/var/tmp/tactus"))  # noqa: S108 - the folder below it is root's own
"""Where root puts what that account must reach when the checkout or the data directory is closed to others."""


IDENTITY: Final = "postgres.identity"
ORIGIN: Final = ".origin"
"""Beside each moved directory: where its data directory is, and on which file system."""


class Home(NamedTuple):
    """Where Postgres lives: its tables, its programs, and the user it runs as (None: ourselves)."""

    directory: Path
    binaries: Path
    account: Account | None

    def give(self, path: Path) -> None:
        """Make the account the owner of a path of its own."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)


def find_home(data: Path, binaries: Path) -> Home:
    """Say where the server keeps its tables for this data directory, and make the folder.

    Permissions of folders that exist are left alone: what the account cannot reach is put elsewhere.
    """
    if os.geteuid() != 0:
        return Home(data / "postgres", binaries, None)
    account = _unprivileged()
    if not _reaches(account, binaries / "bin" / "postgres"):
        binaries = _copied(binaries)
    directory = data / "postgres"
    if not _reaches(account, data):
        directory = _moved(data)
    directory.mkdir(mode=0o700, exist_ok=True)
    home = Home(directory, binaries, account)
    home.give(directory)
    return home


def _unprivileged() -> Account:
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    names = " or ".join(UNPRIVILEGED)
    raise ConfigurationError(f"Postgres refuses to run as root and there is no user {names}: run as another user")


def _reaches(account: Account, path: Path) -> bool:
    try:
        run_as(account, ("/bin/sh", "-c", 'test -x "$1"', "sh", str(path)))
    except subprocess.CalledProcessError:
        return False
    return True


def _room() -> Path:
    for room in ROOMS:
        try:
            room.mkdir(mode=0o711, parents=True, exist_ok=True)
        except OSError:
            continue
        if room.stat().st_uid == os.geteuid() and not room.is_symlink() and os.access(room, os.W_OK):
            return room
    raise ConfigurationError(f"root can write neither {ROOMS[0]} nor {ROOMS[1]}: run as another user")


def _copied(binaries: Path) -> Path:
    described = f"{binaries} {(binaries / 'bin' / 'postgres').stat().st_mtime_ns}"
    copy = _room() / f"programs-{hashlib.sha256(described.encode()).hexdigest()[:16]}"
    if not copy.exists():
        partial = copy.with_name(f".{copy.name}.{os.getpid()}")
        shutil.copytree(binaries.parent, partial, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        partial.rename(copy)
    return copy / binaries.name


def _moved(data: Path) -> Path:
    room = _room()
    _sweep(room)
    directory = room / f"postgres-{_identity(data)}"
    directory.with_suffix(ORIGIN).write_text(f"{data}\n{data.stat().st_dev}\n")
    (data / "postgres.moved").write_text(f"{directory}\n")
    return directory


def _sweep(room: Path) -> None:
    # Tables whose data directory was removed serve nobody.
    for origin in room.glob(f"postgres-*{ORIGIN}"):
        directory = origin.with_suffix("")
        path, *device = origin.read_text().splitlines()
        data = Path(path)
        known = directory.name == f"postgres-{_identity_of(data)}"
        # A disk that is only not mounted took its data directory with it, but removed nothing.
        there = device == [str(_device_of(data))]
        if there and not known and not processes_in(directory, "postgres"):
            shutil.rmtree(directory, ignore_errors=True)
            origin.unlink(missing_ok=True)


def _device_of(path: Path) -> int:
    """The file system that a path is on, or would be on."""
    nearest = next(one for one in (path, *path.parents) if one.exists())
    return nearest.stat().st_dev


def _identity(data: Path) -> str:
    # A name that dies with the data directory: a new directory of the same path must not find old tables.
    if _identity_of(data) is None:
        (data / IDENTITY).write_text(os.urandom(8).hex())
    return _identity_of(data) or ""


def _identity_of(data: Path) -> str | None:
    try:
        return (data / IDENTITY).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
