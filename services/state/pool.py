"""Reach Postgres: connections with the house's limits, and the one table of what an absent server looks like."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

import asyncpg

from services.infra.errors import ConfigurationError, InvalidEventError, UnavailableError
from services.infra.settings import PostgresSettings
from services.state.copying import in_pieces
from services.state.queries import SQL

CONNECT_TIMEOUT_S: Final = 5.0
"""A healthy server answers in milliseconds; past this the caller retries or says 503."""

COMMAND_TIMEOUT_S: Final = 60.0
"""Twice what the server allows a statement: by then the server, or the way to it, is gone."""

SESSION: Final[Mapping[str, str]] = {
    # A worker frozen inside a transaction would hold its partition's row against the new owner.
    "idle_in_transaction_session_timeout": "5s",
    # Longer than any chunk, shorter than a session: a lock that is not granted by then is a fault to retry.
    "lock_timeout": "8s",
    "statement_timeout": "30s",
    "timezone": "UTC",
}

ABSENT: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    # What a server that dies in the middle of an exchange leaves behind in the client.
    asyncpg.InternalClientError,
)
"""What a server that is away, restarts, or has no room looks like from here."""

CROSSED: Final = (
    asyncpg.TransactionRollbackError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InvalidTransactionStateError,
)
"""Two transactions met: a deadlock, or a lock that was not granted in time. Nothing is wrong with either."""

NO_TABLES: Final = "the database has no tables yet: run `tactus migrate`"
AWAY: Final = "Postgres does not answer; check that it runs and TACTUS_POSTGRES__DSN"

Session = asyncpg.Connection | asyncpg.Pool
"""What statements are said to: a pool takes any connection of its own for each."""

Prepare = Callable[[asyncpg.Connection], Awaitable[None]]


@contextmanager
def present() -> Iterator[None]:
    """Raise UnavailableError for what waiting or another try can mend, ConfigurationError for a database without tables.

    InvalidEventError for values that it cannot hold. Any other error of Postgres is a fault of ours, and passes.
    """
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise ConfigurationError(NO_TABLES) from error
    except asyncpg.DataError as error:
        raise InvalidEventError(f"the database cannot hold it ({type(error).__name__})") from error
    except CROSSED as error:
        raise UnavailableError(f"two transactions met ({type(error).__name__}): run it again") from error
    except ABSENT as error:
        raise UnavailableError(f"Postgres does not answer ({type(error).__name__})") from error


@contextmanager
def reachable() -> Iterator[None]:
    """Raise UnavailableError for whatever keeps a connection from being opened."""
    try:
        yield
    except (*ABSENT, asyncpg.PostgresError) as error:
        raise UnavailableError(AWAY) from error


class Statements:
    """Named SQL said to one session; what an absent server raises becomes UnavailableError."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def rows(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        """All rows of a query."""
        with present():
            found: list[asyncpg.Record] = await self.session.fetch(SQL[name], *arguments)
            return found

    async def row(self, name: str, *arguments: object) -> asyncpg.Record | None:
        """The first row, or None."""
        with present():
            return await self.session.fetchrow(SQL[name], *arguments)

    async def value(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - of the query's own type
        """The first value of the first row, or None."""
        with present():
            return await self.session.fetchval(SQL[name], *arguments)

    async def run(self, name: str, *arguments: object) -> int:
        """Run a statement; how many rows it touched."""
        with present():
            tag: str = await self.session.execute(SQL[name], *arguments)
        return int(tag.rpartition(" ")[2]) if tag[-1:].isdigit() else 0

    async def copy_in(self, table: str, rows: bytes, *, columns: tuple[str, ...] | None = None) -> None:
        """Hand a table rows in the binary COPY format."""
        with present():
            await self.session.copy_to_table(table, source=in_pieces(rows), format="binary", columns=columns)


async def open_pool(
    settings: PostgresSettings, *, application: str, max_size: int | None = None, prepare: Prepare | None = None
) -> asyncpg.Pool:
    """Open a pool whose connections carry the house's time limits; `prepare` runs once on each connection.

    Raises UnavailableError when the server does not answer.
    """
    with reachable():
        return await asyncpg.create_pool(
            settings.dsn.get_secret_value(),
            min_size=1,
            max_size=max_size or settings.connections_max,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            init=prepare,  # type: ignore[arg-type]  # the stubs want a protocol that a plain function meets
            server_settings={**SESSION, "application_name": application},
        )


async def connect(dsn: str, *, application: str) -> asyncpg.Connection:
    """Open one connection without the session limits, for migrations; raises UnavailableError."""
    with reachable():
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_S,
            server_settings={"application_name": application, "timezone": "UTC"},
        )


@asynccontextmanager
async def connected(dsn: str, *, application: str) -> AsyncIterator[Statements]:
    """Say a few statements over a connection of their own; raises UnavailableError."""
    connection = await connect(dsn, application=application)
    try:
        yield Statements(connection)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


async def answers(dsn: str, *, application: str) -> None:
    """Return when the server takes a connection; raises UnavailableError when it does not."""
    await (await connect(dsn, application=application)).close(timeout=CONNECT_TIMEOUT_S)


GENERATION: Final = """
SELECT concat_ws('/', pg_postmaster_start_time(), (SELECT oid FROM pg_database WHERE datname = current_database()),
    'identity'::regclass::oid)
"""
"""A server that was restored or failed over was started since, and a database that was made anew has other numbers."""

_GENERATIONS: Final[WeakKeyDictionary[object, str]] = WeakKeyDictionary()


async def generation_of(connection: asyncpg.pool.PoolConnectionProxy) -> str:
    """Tell which database this connection leads to; asked once a connection, because it ends when its server does."""
    real = connection._con  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is another object each time
    if real not in _GENERATIONS:
        with present():
            _GENERATIONS[real] = await connection.fetchval(GENERATION)
    return _GENERATIONS[real]
