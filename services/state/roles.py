"""What each process may do in the database: roles, and the rights that `tactus migrate` gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import asyncpg

from services.infra.logs import get_logger
from services.state.pool import connect, present
from services.state.queries import SQL

WORKER: Final = "tactus_worker"
"""What an aggregator needs: it counts, and owns no table."""

READER: Final = "tactus_reader"
"""What the read API needs."""

OUTBOUND: Final = "tactus_outbound"
"""What tells others: it reads scores and alerts, and writes down what it has told."""

ROLES: Final = (WORKER, READER, OUTBOUND)
"""Those that processes log in as."""

ANALYST: Final = "tactus_sql"
"""What whoever asks by SQL needs: the views, and nothing else. It has no login; people's own roles are members of it."""

MADE: Final = (*ROLES, ANALYST)

NAME: Final = "tactus-migrate"
"""As the server shows our connection."""

log = get_logger(__name__)


async def give_rights(connection: asyncpg.Connection, *, anew: bool) -> None:
    """Make the roles where they are missing, and give them what this schema has; `anew` after it has changed.

    A migrator that may not make roles goes on without: whoever then needs them makes them first.
    """
    if not anew and await connection.fetchval(SQL["rights_given"]):
        return
    try:
        for role in MADE:
            await connection.execute(SQL["make_role"].replace("$role", role))
    except asyncpg.InsufficientPrivilegeError:
        fix = (
            " ".join(f"CREATE ROLE {role};" for role in MADE)
            + " as a role with CREATEROLE, then `tactus migrate` again"
        )
        log.warning("roles_not_made", fix=fix)
        return
    async with connection.transaction():
        await connection.execute(SQL["give_rights"])


async def let_in(dsn: str, passwords: Mapping[str, str]) -> None:
    """Let these roles log in with these passwords; raises UnavailableError or ConfigurationError."""
    connection = await connect(dsn, application=NAME)
    try:
        with present():
            for role, password in passwords.items():
                # As a parameter first: so no password stands in a statement that the server may log.
                async with connection.transaction():
                    await connection.execute("SELECT set_config('tactus.password', $1, true)", password)
                    await connection.execute(SQL["let_in"].replace("$role", role))
    finally:
        await connection.close()
