"""One migrated database a test, copied from a template that is migrated once."""

from __future__ import annotations

import asyncio
import itertools
import re

import asyncpg

from services.embedded.postgres import EmbeddedPostgres
from services.state.migrations import migrate
from services.state.roles import ROLES, let_in

TEMPLATE = "tactus_template"

PASSWORD = "of-both-roles-in-tests"


def as_role(dsn: str, role: str) -> str:
    """The address for a role with fewer rights, as `let_in` with the password of tests has made it."""
    return re.sub(r"//[^@/]*@", f"//{role}:{PASSWORD}@", dsn, count=1)


class Databases:
    """Makes and drops databases on one server."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self._numbers = itertools.count(1)

    async def prepare(self) -> None:
        """Migrate the template once."""
        await self._run(f"CREATE DATABASE {TEMPLATE}")
        await migrate(self.server.dsn_of(TEMPLATE))
        await let_in(self.server.dsn_of(TEMPLATE), dict.fromkeys(ROLES, PASSWORD))

    async def create(self) -> str:
        """Return the name of a database with the schema and no rows."""
        name = f"tactus_test_{next(self._numbers)}"
        await self._run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return name

    async def drop(self, name: str) -> None:
        """Drop a database, also when a test left a connection open."""
        await self._run(f"DROP DATABASE {name} WITH (FORCE)")

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server.dsn)
        try:
            await asyncio.wait_for(connection.execute(statement), 30)
        finally:
            await connection.close()
