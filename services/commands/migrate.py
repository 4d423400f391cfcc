"""`tactus migrate`: the schema of this version, and the roles that the processes log in by."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from services.infra.errors import ConfigurationError
from services.infra.settings import read_settings
from services.state.migrations import migrate
from services.state.roles import let_in


def run(files: Mapping[str, Path | None]) -> None:
    """Migrate, and let the roles in whose passwords lie in these files; raises ConfigurationError."""
    passwords = {role: _password(path) for role, path in files.items() if path is not None}
    dsn = read_settings().postgres.dsn.get_secret_value()
    applied = asyncio.run(_bring(dsn, passwords))
    print("\n".join(applied) or "nothing to do: the database is up to date")  # noqa: T201 - what a command says


async def _bring(dsn: str, passwords: dict[str, str]) -> list[str]:
    applied = await migrate(dsn)
    await let_in(dsn, passwords)
    return applied


def _password(path: Path) -> str:
    try:
        password = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: name a file with the role's password") from error
    if not password:
        raise ConfigurationError(f"{path} is empty: write the role's password into it")
    return password
