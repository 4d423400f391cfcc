"""What keeps us from Postgres, or from what we ask of it: one table of errors, their causes and their fixes."""

from __future__ import annotations

import socket
import ssl
from typing import Final

import asyncpg

from services.infra.errors import ConfigurationError, TactusError, UnavailableError
from services.infra.troubles import Trouble, first_that_fits, said_by_tls
from services.state.sessions import POOLED

DSN: Final = "TACTUS_POSTGRES__DSN"


TROUBLES: Final = (
    Trouble(
        (asyncpg.InvalidPasswordError,),
        ConfigurationError,
        "Postgres refuses the password ({said})",
        f"correct it in {DSN}, or the role's by ALTER ROLE … PASSWORD",
    ),
    Trouble(
        (asyncpg.InvalidAuthorizationSpecificationError,),
        ConfigurationError,
        "Postgres does not let this role in ({said})",
        f"create the role or name another in {DSN}, or let it in by a line of pg_hba.conf",
    ),
    Trouble(
        (asyncpg.InvalidCatalogNameError,),
        ConfigurationError,
        "Postgres has no such database ({said})",
        f"CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, or name another in {DSN}",
    ),
    Trouble(
        (asyncpg.InsufficientPrivilegeError,),
        ConfigurationError,
        "the role of TACTUS_POSTGRES__DSN lacks a right ({said})",
        "run `tactus migrate` and the services as one role, and as the database's owner "
        "GRANT CONNECT, TEMPORARY ON DATABASE … and GRANT ALL ON SCHEMA public to it: docs/how-to/secure.md#rights",
    ),
    Trouble(
        (asyncpg.TooManyConnectionsError,),
        UnavailableError,
        "Postgres has no connection left ({said})",
        "raise max_connections or the role's limit, or run fewer processes",
    ),
    Trouble(
        (asyncpg.CannotConnectNowError,),
        UnavailableError,
        "Postgres takes no connections yet ({said})",
        "wait: it is starting, stopping or recovering; its log tells how far it is",
    ),
    Trouble(
        (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError),
        ConfigurationError,
        *POOLED.split("; "),
    ),
    Trouble(
        (asyncpg.ProtocolViolationError,),
        ConfigurationError,
        "the pooler refuses what we say of ourselves ({said})",
        f"correct {DSN}, or the pooler's auth_file, [databases] or ignore_startup_parameters",
        says="unsupported startup parameter|no such (database|user)|does not exist|authentication failed",
    ),
    Trouble(
        (asyncpg.ProtocolViolationError,),
        UnavailableError,
        "the pooler cannot serve us ({said})",
        "start Postgres, or raise the pooler's limits; its log tells more",
    ),
    Trouble(
        (asyncpg.ClientConfigurationError,), ConfigurationError, f"{DSN} cannot be used ({{said}})", "correct the URL"
    ),
    Trouble(
        (ssl.SSLCertVerificationError,),
        ConfigurationError,
        "Postgres shows a certificate that is not trusted ({said})",
        f"name its authority by sslrootcert in {DSN}, and the host as the certificate does",
    ),
    Trouble(
        (ssl.SSLError,),
        ConfigurationError,
        "TLS with Postgres fails ({said})",
        f"correct sslmode, sslrootcert, sslcert or sslkey in {DSN}",
    ),
    Trouble(
        (ConnectionError,),
        ConfigurationError,
        "Postgres speaks no TLS",
        f"set ssl = on there, or leave sslmode out of {DSN} where the way is safe",
        says="rejected SSL upgrade",
    ),
    # A name may be missing because the machine that bears it is not up yet, so waiting can help.
    Trouble((socket.gaierror,), UnavailableError, "nobody knows the name of Postgres' host ({said})", f"correct {DSN}"),
    Trouble(
        (OSError,),
        UnavailableError,
        "nothing listens where Postgres should ({said})",
        f"start it, or correct {DSN}",
        says="refused|Connect call failed|No such file",
    ),
    Trouble(
        (TimeoutError,),
        UnavailableError,
        "Postgres does not answer in time",
        f"check that it runs, that a firewall lets us through, and {DSN}",
    ),
    Trouble(
        (asyncpg.ConnectionDoesNotExistError,),
        UnavailableError,
        "Postgres hangs up, or the way to it is gone ({said})",
        "wait if it restarts; else its log says why, at a start perhaps that it does not trust a certificate of ours",
    ),
    Trouble(
        (asyncpg.QueryCanceledError,),
        UnavailableError,
        "a statement took too long ({said})",
        "try again; if it stays so, look at pg_stat_activity for what it waits for",
    ),
    Trouble(
        (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, OSError),
        UnavailableError,
        "the connection to Postgres is lost ({said})",
        "wait if it restarts; else see its log",
    ),
    Trouble(
        (
            asyncpg.InsufficientResourcesError,
            asyncpg.IdleInTransactionSessionTimeoutError,
            asyncpg.InterfaceError,
            # What a server that dies in the middle of an exchange leaves behind in the client.
            asyncpg.InternalClientError,
        ),
        UnavailableError,
        "Postgres does not answer ({said})",
        f"check that it runs, and {DSN}",
    ),
)
"""The first that fits."""

AT_THE_START: Final = Trouble(
    (asyncpg.PostgresError,),
    ConfigurationError,
    "Postgres refuses the connection ({said})",
    f"correct the parameters in {DSN}",
)
"""What the table does not know, such as a parameter that the server does not know either."""


def trouble_of(error: BaseException) -> TactusError | None:
    """Say what an error means, its cause before the semicolon and the fix behind it; None for a fault of ours."""
    said = _said(error)
    trouble = first_that_fits(TROUBLES, error, said)
    return trouble and trouble.named(said)


def refusal_of(error: BaseException) -> TactusError:
    """The same for an error before the first statement, where any word of the server is about what the URL says."""
    return trouble_of(error) or AT_THE_START.named(_said(error))


def _said(error: BaseException) -> str:
    match error:
        case ssl.SSLError():
            return said_by_tls(error)
        case asyncpg.PostgresError():
            return str(error.message or type(error).__name__)
        case _:
            return (str(error) or type(error).__name__).splitlines()[0]
