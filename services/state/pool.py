"""Open connections to Postgres with the bounds every process keeps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import asyncpg

from services.infra.errors import UnavailableError
from services.infra.settings import PostgresSettings

CONNECT_TIMEOUT_S: Final = 5.0
"""A healthy server answers in milliseconds; past this the caller retries or says 503."""

SESSION: Final[Mapping[str, str]] = {
    # A worker frozen inside a transaction would hold its partition's row against the new owner.
    "idle_in_transaction_session_timeout": "5s",
    # Longer than any chunk, shorter than a session: a lock that is not granted by then is a fault to retry.
    "lock_timeout": "8s",
    "statement_timeout": "30s",
    "timezone": "UTC",
}

AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What a server that dies in the middle of an exchange leaves behind in the client.
    asyncpg.InternalClientError,
)
"""What opening a connection raises while the server is away or on its way."""

Prepare = Callable[[asyncpg.Connection], Awaitable[None]]


async def open_pool(
    settings: PostgresSettings, *, application: str, max_size: int | None = None, prepare: Prepare | None = None
) -> asyncpg.Pool:
    """Open a pool whose connections carry the house's time limits; `prepare` runs once on each connection.

    Raises UnavailableError when the server does not answer.
    """
    try:
        return await asyncpg.create_pool(
            settings.dsn.get_secret_value(),
            min_size=1,
            max_size=max_size or settings.connections_max,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=60,
            init=prepare,  # type: ignore[arg-type]  # the stubs want a protocol that a plain function meets
            server_settings={**SESSION, "application_name": application},
        )
    except AWAY as error:
        raise UnavailableError("Postgres does not answer; check that it runs and TACTUS_POSTGRES__DSN") from error


async def connect(dsn: str, *, application: str) -> asyncpg.Connection:
    """Open one connection without the session limits, for migrations.

    Raises UnavailableError when the server does not answer.
    """
    try:
        return await asyncpg.connect(
            dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"application_name": application, "timezone": "UTC"}
        )
    except AWAY as error:
        raise UnavailableError("Postgres does not answer; check that it runs and TACTUS_POSTGRES__DSN") from error
