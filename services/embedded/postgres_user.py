"""Choose the user that Postgres runs as, because it refuses to be root."""

from __future__ import annotations

import os
import pwd
import shlex
from pathlib import Path
from typing import Final

from services.embedded.processes import Account
from services.infra.errors import ConfigurationError

UNPRIVILEGED: Final = ("postgres", "nobody")
"""Accounts that every Linux has one of; the first that exists is taken."""


def find_account(tables: Path) -> Account | None:
    """Return who the server of these tables runs as: their owner, else an unprivileged account; None means ourselves."""
    if os.geteuid() != 0:
        if not tables.exists():
            _require_name()
        return None
    if not tables.exists():
        return _unprivileged()
    owner = tables.stat()
    if owner.st_uid == 0:
        name = pwd.getpwuid(_unprivileged().uid).pw_name
        raise ConfigurationError(
            f"{tables} belongs to root, and Postgres refuses to be root: chown -R {name} {shlex.quote(str(tables))}"
        )
    _require_access(tables)
    return Account(owner.st_uid, owner.st_gid)


def give(path: Path, account: Account | None) -> None:
    """Make the account the owner of one path. Raises ConfigurationError when we may not, or could not look after it."""
    if account is None:
        return
    try:
        os.chown(path, *account)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be given to user {account.uid}, whom Postgres runs as because it refuses to be root "
            f"({error.strerror}): run as an ordinary user, or name a data directory on another file system"
        ) from error
    _require_access(path)


def _require_name() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError as error:
        raise ConfigurationError(
            f"user {os.geteuid()} has no name in /etc/passwd, which Postgres asks for to create its files: "
            "add one, or run as a user that has one"
        ) from error


def _require_access(path: Path) -> None:
    if not os.access(path, os.R_OK):
        raise ConfigurationError(
            f"root has no right here to read {path}, which is another user's because Postgres refuses to be root: "
            "run as an ordinary user, or give root CAP_DAC_OVERRIDE"
        )


def _unprivileged() -> Account:
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    names = " or ".join(UNPRIVILEGED)
    raise ConfigurationError(f"Postgres refuses to run as root and there is no user {names}: run as another user")
