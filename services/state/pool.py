"""Reach Postgres: connections with the house's limits, and named statements over them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

from services.infra.errors import ConfigurationError, InvalidEventError, UnavailableError
from services.infra.settings import PostgresSettings
from services.state.copying import in_pieces
from services.state.queries import SQL
from services.state.sessions import LIMITS, HouseConnection, refuse_shared_sessions, stands_between
from services.state.troubles import DSN, refusal_of, trouble_of

CONNECT_TIMEOUT_S: Final = 5.0
"""A healthy server answers in milliseconds; past this the caller retries or says 503."""

COMMAND_TIMEOUT_S: Final = 60.0
"""Twice what the server allows a statement: by then the server, or the way to it, is gone."""

LEND_S: Final = 10.0
"""A worker has a connection for each of its lanes: one that does not come by then hangs in a database that is away."""

CROSSED: Final = (
    asyncpg.TransactionRollbackError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InvalidTransactionStateError,
)
"""Two transactions met: a deadlock, or a lock that was not granted in time. Nothing is wrong with either."""

LOST: Final = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What is left of a connection that is gone: those beside it went the same way."""

LASTING: Final = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.InvalidSQLStatementNameError,
)
"""What no waiting mends, also of a process that has been let in before."""

NO_TABLES: Final = "the database has no tables yet: run `tactus migrate`"

Session = asyncpg.Connection | asyncpg.Pool
"""What statements are said to: a pool takes any connection of its own for each."""

Prepare = Callable[[HouseConnection], Awaitable[None]]


@contextmanager
def present() -> Iterator[None]:
    """Raise UnavailableError for what waiting or another try can mend, ConfigurationError for missing tables and rights.

    A refused password among others is an UnavailableError here, named all the same: we have been let in before, so
    whoever changed it may change it back. Any error of Postgres that the table does not know is a fault of ours.
    InvalidEventError for values that it cannot hold.
    """
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise ConfigurationError(NO_TABLES) from error
    except asyncpg.DataError as error:
        raise InvalidEventError(f"the database cannot hold it ({type(error).__name__})") from error
    except CROSSED as error:
        raise UnavailableError(f"two transactions met ({type(error).__name__}): run it again") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        trouble = trouble_of(error)
        if trouble is None:
            raise
        raise (trouble if isinstance(error, LASTING) else UnavailableError(str(trouble))) from error


@contextmanager
def reachable() -> Iterator[None]:
    """Raise UnavailableError or ConfigurationError for whatever keeps a first connection from being opened."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise refusal_of(error) from error


class Statements:
    """Named SQL said to one session; what an absent server raises becomes UnavailableError."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def rows(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        """All rows of a query."""
        async with self._speaking() as session:
            found: list[asyncpg.Record] = await session.fetch(SQL[name], *arguments)
            return found

    async def pages(self, name: str, *arguments: object, rows: int) -> AsyncIterator[list[asyncpg.Record]]:
        """All rows of a query, so many at a time; within a transaction."""
        async with self._speaking() as session:
            cursor = await session.cursor(SQL[name], *arguments)
            while page := await cursor.fetch(rows):
                yield page

    async def row(self, name: str, *arguments: object) -> asyncpg.Record | None:
        """The first row, or None."""
        async with self._speaking() as session:
            return await session.fetchrow(SQL[name], *arguments)

    async def value(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - of the query's own type
        """The first value of the first row, or None."""
        async with self._speaking() as session:
            return await session.fetchval(SQL[name], *arguments)

    async def run(self, name: str, *arguments: object) -> int:
        """Run a statement; how many rows it touched."""
        async with self._speaking() as session:
            tag: str = await session.execute(SQL[name], *arguments)
        return int(tag.rpartition(" ")[2]) if tag[-1:].isdigit() else 0

    async def copy_in(self, table: str, rows: bytes, *, columns: tuple[str, ...] | None = None) -> None:
        """Hand a table rows in the binary COPY format."""
        async with self._speaking() as session:
            await session.copy_to_table(table, source=in_pieces(rows), format="binary", columns=columns)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Statements]:
        """Say several statements in one transaction, which rolls back on any exception."""
        async with self._speaking() as session, session.transaction():
            yield Statements(session)

    @asynccontextmanager
    async def as_of_one_moment(self) -> AsyncIterator[Statements]:
        """Say several statements in one transaction that sees what was committed before its first one, and no more."""
        async with self._speaking() as session, session.transaction(isolation="repeatable_read"):
            yield Statements(session)

    @asynccontextmanager
    async def _speaking(self) -> AsyncIterator[asyncpg.Connection]:
        with present():
            if isinstance(self.session, asyncpg.Pool):
                async with lent(self.session, within_s=LEND_S) as connection:
                    yield connection
            else:
                yield self.session


@asynccontextmanager
async def lent(pool: asyncpg.Pool, *, within_s: float) -> AsyncIterator[HouseConnection]:
    """Lend a connection of the pool. One that proves dead condemns the others, so that each is not found out in turn."""
    async with pool.acquire(timeout=within_s) as connection:
        try:
            yield connection  # type: ignore[misc]  # the pool's proxy has its methods
        except Exception as error:
            # The statement itself may have said already what its error means.
            if isinstance(error, LOST) or isinstance(error.__cause__, LOST):
                await pool.expire_connections()
            raise


async def open_pool(
    settings: PostgresSettings,
    *,
    application: str,
    max_size: int | None = None,
    prepare: Prepare | None = None,
    limits: Mapping[str, str] = LIMITS,
) -> asyncpg.Pool:
    """Open a pool whose connections carry time limits; `prepare` runs once on each connection.

    Raises UnavailableError while the server is away, ConfigurationError when it is there and refuses us.
    """
    dsn = settings.dsn.get_secret_value()

    async def begin(connection: asyncpg.Connection) -> None:
        if isinstance(connection, HouseConnection):  # as it is, which the stubs cannot know
            await connection.limit(limits)
            if prepare is not None:
                await prepare(connection)

    await refuse_pooled(dsn, application=application)
    with reachable():
        return await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=max_size or settings.connections_max,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            init=begin,
            connection_class=HouseConnection,
            server_settings={"application_name": application, "timezone": "UTC"},
        )


async def connect(dsn: str, *, application: str) -> asyncpg.Connection:
    """Open one connection without the session limits, for migrations; raises as `open_pool` does."""
    _check_files(dsn)
    with reachable():
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_S,
            connection_class=HouseConnection,
            server_settings={"application_name": application, "timezone": "UTC"},
        )


async def refuse_pooled(dsn: str, *, application: str) -> None:
    """Raise ConfigurationError when a pooler stands between that does not keep sessions apart."""
    one = await connect(dsn, application=application)
    try:
        with reachable():
            if not await stands_between(one):
                return
        other = await connect(dsn, application=application)
        try:
            await refuse_shared_sessions(one, other)
        finally:
            other.terminate()
    finally:
        one.terminate()


def _check_files(dsn: str) -> None:
    # asyncpg opens them too, but its error names neither the file nor the parameter, and of a lost file with
    # passwords it says nothing at all.
    named = parse_qs(urlsplit(dsn).query)
    for parameter in ("passfile", "sslrootcert", "sslcert", "sslkey", "sslcrl"):
        for path in named.get(parameter, ()):
            try:
                Path(path).open("rb").close()
            except OSError as error:
                raise ConfigurationError(
                    f"{DSN}: {parameter}={path} cannot be read ({error.strerror}); restore the file, or name another"
                ) from error


@asynccontextmanager
async def connected(dsn: str, *, application: str) -> AsyncIterator[Statements]:
    """Say a few statements over a connection of their own; raises as `open_pool` does."""
    connection = await connect(dsn, application=application)
    try:
        yield Statements(connection)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


async def answers(dsn: str, *, application: str) -> None:
    """Return when the server takes a connection; raises UnavailableError, with the cause, when it does not."""
    try:
        await (await connect(dsn, application=application)).close(timeout=CONNECT_TIMEOUT_S)
    except ConfigurationError as error:
        raise UnavailableError(str(error)) from error
