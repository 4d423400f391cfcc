"""Sessions with the server: their time limits, a way that has gone dead, and poolers that stand between."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from services.infra.errors import ConfigurationError

LIMITS: Final[Mapping[str, str]] = {
    # A worker frozen inside a transaction would hold its partition's row against the new owner.
    "idle_in_transaction_session_timeout": "5s",
    # Longer than any chunk, shorter than a session: a lock that is not granted by then is a fault to retry.
    "lock_timeout": "8s",
    "statement_timeout": "30s",
    "timezone": "UTC",
}
"""Said by SET and not at the start of the connection, where PgBouncer refuses what it does not know."""

GENERATION: Final = """
SELECT concat_ws('/', pg_postmaster_start_time(), (SELECT oid FROM pg_database WHERE datname = current_database()),
    to_regclass('identity')::oid)
"""
"""A server that was restored or failed over was started since, and a database that was made anew has other numbers."""

KEEPALIVE_S: Final = 10
"""A connection that has been idle for so long is asked whether it still leads anywhere."""

KEEPALIVE_AGAIN_S: Final = 3

SILENCE_MS_MAX: Final = 10_000
"""What is sent and not acknowledged for so long ends the connection. The other end's kernel acknowledges within
milliseconds, however busy the server is; the kernel's own patience is a quarter of an hour."""

PROBES: Final = 3
"""Looks at who answers; one that shares sessions is found out by the first or second, unless it is very busy."""

POOLED: Final = (
    "a pooler between here and Postgres hands one session's statements to different server sessions, so prepared "
    "statements, temporary tables and time limits are lost; set pool_mode = session for this database in PgBouncer, or "
    "name Postgres itself in TACTUS_POSTGRES__DSN"
)


class HouseConnection(asyncpg.Connection):
    """A connection that has its limits again after each reset, and that notices when the other end is gone."""

    __slots__ = ("_limits", "generation")

    generation: str
    """Of the database that it leads to: a connection ends when its server does, so this is asked once."""

    def __init__(self, protocol: Any, transport: asyncio.Transport, *others: Any) -> None:  # noqa: ANN401 - asyncpg's own
        super().__init__(protocol, transport, *others)
        self._limits = ""
        self.generation = ""
        watch_over(transport)

    async def learn_generation(self) -> None:
        """Ask which database this is, for whoever remembers its numbers."""
        self.generation = await self.fetchval(GENERATION)

    async def limit(self, limits: Mapping[str, str]) -> None:
        """Set these limits, here and after each reset."""
        self._limits = " ".join(f"SET {name} = '{value}';" for name, value in limits.items())
        await self.execute(self._limits)

    def get_reset_query(self) -> str:
        return f"{super().get_reset_query()} {self._limits}"


def watch_over(transport: asyncio.Transport) -> None:
    """Let the kernel end a connection whose other end is gone without a word, as behind a firewall that forgot it."""
    plug = transport.get_extra_info("socket")
    if plug.family not in {socket.AF_INET, socket.AF_INET6}:
        return  # a socket in the file system has no way that could go dead
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_AGAIN_S)
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_MS_MAX)


@asynccontextmanager
async def cut_at(connection: asyncpg.Connection, until_s: float) -> AsyncIterator[None]:
    """End the connection when the block goes on beyond this time of the loop's clock, and raise TimeoutError.

    Cancelling instead would ask the server to stop and wait for its answer, which never comes over a dead way.
    """
    loop = asyncio.get_running_loop()
    cut = loop.call_at(until_s, connection.terminate)
    try:
        yield
    except Exception as error:
        if loop.time() >= until_s:
            raise TimeoutError from error
        raise
    finally:
        cut.cancel()


async def stands_between(connection: asyncpg.Connection) -> bool:
    """Say whether a pooler answers in the server's stead: it makes up the process that it calls the server's."""
    return bool(await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid())


async def refuse_shared_sessions(one: asyncpg.Connection, other: asyncpg.Connection) -> None:
    """Raise ConfigurationError when a pooler gives the server session of one of two connections to the other."""
    try:
        mine = await one.fetchval("SELECT pg_backend_pid()")
        for _ in range(PROBES):
            async with other.transaction():
                theirs = await other.fetchval("SELECT pg_backend_pid()")
                again = await one.fetchval("SELECT pg_backend_pid()")
            if theirs == mine or again != mine:
                raise ConfigurationError(POOLED)
    except asyncpg.PostgresError as error:
        # Two of our connections have met in one session of the server's, or it knows no transactions at all.
        raise ConfigurationError(POOLED) from error
